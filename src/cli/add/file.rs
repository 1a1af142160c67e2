//! A WSDL document in a file, such as one that the operator of a service has sent.

use std::path::{Path, absolute};

use super::search::FoundServer;
use crate::cli::Failure;
use crate::codec::xml::charset;
use crate::config::LARGEST_FILE;
use crate::files;
use crate::protocol::soap::wsdl::read::WsdlOptions;
use crate::upstream::DescriptionFile;
use crate::upstream::discovery::probe::ProbeReport;
use crate::upstream::discovery::{wsdl, wsdl_files};

/// Reads the document and the files that it imports. `config` is the file of the configuration: if the document is in its
/// folder, the name for the configuration is relative to that folder.
///
/// # Errors
/// If the document cannot be read, or is not a description of a SOAP service.
pub(super) fn found(document: &Path, config: Option<&Path>) -> Result<FoundServer, Failure> {
    let document = absolute(document)?;
    let unusable = |reason: &str| Failure::from(format_args!("`{}` cannot be used: {reason}", document.display()));
    let root = document.to_str().ok_or_else(|| unusable("its name is not UTF-8"))?.to_owned();
    let text = read(&root).map_err(|reason| unusable(&reason))?;
    let (files, unread) = wsdl_files::with_imports(DescriptionFile { name: root.clone(), text }, read);
    let mut description = wsdl::read_files(&files, WsdlOptions::default()).map_err(|fault| unusable(&fault.message))?;
    // The reasons are those for which the files have not been read.
    description.unread.retain(|other| unread.iter().all(|unread| unread.location != other.location));
    description.unread.splice(0..0, unread);
    // A relative name is only good for files that are all in the folder.
    let folder = config.and_then(|config| absolute(config).ok()?.parent().map(Path::to_owned));
    let folder = folder.filter(|folder| files.iter().all(|file| Path::new(&file.name).starts_with(folder)));
    let relative = folder.and_then(|folder| Some(document.strip_prefix(folder).ok()?.to_str()?.to_owned()));
    Ok(FoundServer::of_file(relative.as_deref().unwrap_or(&root), ProbeReport::of_wsdl(description, None)))
}

fn read(name: &str) -> Result<String, String> {
    let bytes = files::read(Path::new(name), LARGEST_FILE).map_err(|error| error.to_string())?;
    charset::decode(&bytes, None).map(|text| text.into_owned()).map_err(|fault| fault.message.into_owned())
}
