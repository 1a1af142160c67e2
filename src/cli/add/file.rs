//! A WSDL or OpenAPI document in a file, such as one that the operator of a service has sent.

use std::path::{Path, absolute};

use super::search::FoundServer;
use crate::cli::Failure;
use crate::codec::xml::charset;
use crate::config::LARGEST_FILE;
use crate::files;
use crate::protocol::soap::wsdl::read::WsdlOptions;
use crate::upstream::DescriptionFile;
use crate::upstream::discovery::probe::ProbeReport;
use crate::upstream::discovery::{imported_files, openapi, wsdl};
use crate::upstream::gaps::UnreadImport;

/// Reads the document and the files that it imports. `config` is the file of the configuration: if the document is in its
/// folder, the name for the configuration is relative to that folder.
///
/// # Errors
/// If the document cannot be read, or is not a description of a SOAP or REST service.
pub(super) fn found(document: &Path, config: Option<&Path>) -> Result<FoundServer, Failure> {
    let document = absolute(document)?;
    let unusable = |reason: &str| Failure::from(format_args!("`{}` cannot be used: {reason}", document.display()));
    let root = document.to_str().ok_or_else(|| unusable("its name is not UTF-8"))?.to_owned();
    let text = read(&root).map_err(|reason| unusable(&reason))?;
    let is_xml = text.trim_start_matches('\u{feff}').trim_start().starts_with('<');
    if !is_xml && !root.to_ascii_lowercase().ends_with(".wsdl") {
        let document_file = DescriptionFile { name: root.clone(), text };
        let (files, unread) = imported_files::with_imports(document_file, openapi::references, read);
        let mut description = openapi::read_files(&files).map_err(|fault| unusable(&fault.message))?;
        with_reasons(&mut description.unread, unread);
        let name = name_for(&document, config, &files).unwrap_or(root);
        return Ok(FoundServer::of_file(&name, ProbeReport::of_openapi(description, None)));
    }
    let document_file = DescriptionFile { name: root.clone(), text };
    let (files, unread) = imported_files::with_imports(document_file, wsdl::imports, read);
    let mut description = wsdl::read_files(&files, WsdlOptions::default()).map_err(|fault| unusable(&fault.message))?;
    with_reasons(&mut description.unread, unread);
    let name = name_for(&document, config, &files).unwrap_or(root);
    Ok(FoundServer::of_file(&name, ProbeReport::of_wsdl(description, None)))
}

/// Gives the files that could not be read the reasons for which they have not been read.
fn with_reasons(found: &mut Vec<UnreadImport>, unread: Vec<UnreadImport>) {
    found.retain(|other| unread.iter().all(|unread| unread.location != other.location));
    found.splice(0..0, unread);
}

/// The name of the document relative to the folder of the configuration, which is only good for files that are all in it.
fn name_for(document: &Path, config: Option<&Path>, files: &[DescriptionFile]) -> Option<String> {
    let folder = config.and_then(|config| absolute(config).ok()?.parent().map(Path::to_owned));
    let folder = folder.filter(|folder| files.iter().all(|file| Path::new(&file.name).starts_with(folder)))?;
    Some(document.strip_prefix(folder).ok()?.to_str()?.to_owned())
}

fn read(name: &str) -> Result<String, String> {
    let bytes = files::read(Path::new(name), LARGEST_FILE).map_err(|error| error.to_string())?;
    charset::decode(&bytes, None).map(|text| text.into_owned()).map_err(|fault| fault.message.into_owned())
}
