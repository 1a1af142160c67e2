//! What all readers do alike who go by a tree of the whole document, made by roxmltree once the census has let it pass.

use std::borrow::Cow;

use roxmltree::{Node as Element, ParsingOptions, StringStorage};

use crate::fault::{Fault, Kind};
use crate::text::abridge;
use crate::wire::Limits;
use crate::wire::xml::{Reading, prolog};

/// The tree of a document that describes messages, such as WSDL, within these limits.
///
/// # Errors
/// `NotWellFormed`, also for a document type declaration, and `Limit`.
pub fn description(text: &str, limits: Limits) -> Result<roxmltree::Document<'_>, Fault> {
    let text = text.trim_start_matches([' ', '\t', '\r', '\n']);
    prolog::start(text, Reading::Lenient)?;
    prolog::census_of_description(text, limits)?;
    roxmltree::Document::parse_with_options(text, options(limits)).map_err(|error| syntax(&error, limits))
}

/// How a tree is made of a document within these limits.
pub(in crate::wire) fn options<'a>(limits: Limits) -> ParsingOptions<'a> {
    // Each piece of mark-up has at most a text before it and, if it is an element, one before its end; the census
    // has bounded this already.
    let nodes = limits.elements.saturating_mul(4).saturating_add(64);
    ParsingOptions { nodes_limit: u32::try_from(nodes).unwrap_or(u32::MAX), ..ParsingOptions::default() }
}

/// What to say where no tree can be made.
pub(in crate::wire) fn syntax(error: &roxmltree::Error, limits: Limits) -> Fault {
    use roxmltree::Error::{AttributesLimitReached, NamespacesLimitReached, NodesLimitReached};
    match error {
        NodesLimitReached | AttributesLimitReached | NamespacesLimitReached => {
            Fault::new(Kind::Limit, prolog::too_many(limits))
        }
        error => Fault::new(Kind::NotWellFormed, format!("not well-formed: {}", abridge(&error.to_string()))),
    }
}

/// All of an element's text: comments and processing instructions may split it, elements may not.
pub(in crate::wire) fn text_of<'a>(element: Element<'_, 'a>) -> Result<Cow<'a, str>, Fault> {
    let mut texts = element.children().filter(|child| !child.is_comment() && !child.is_pi());
    let first = match texts.next() {
        None => return Ok(Cow::Borrowed("")),
        Some(child) => text_node(child, element)?,
    };
    texts.try_fold(first, |mut text, child| {
        text.to_mut().push_str(&text_node(child, element)?);
        Ok(text)
    })
}

fn text_node<'a>(child: Element<'_, 'a>, parent: Element<'_, 'a>) -> Result<Cow<'a, str>, Fault> {
    match child.text_storage() {
        Some(StringStorage::Borrowed(text)) if child.is_text() => Ok(Cow::Borrowed(text)),
        Some(StringStorage::Owned(text)) if child.is_text() => Ok(Cow::Owned(text.as_ref().to_owned())),
        _ => Err(misplaced(child.tag_name().name(), parent.tag_name().name())),
    }
}

/// Refuses text other than white space among an element's children.
pub(in crate::wire) fn no_text(element: Element<'_, '_>) -> Result<(), Fault> {
    let blank = |text: &str| text.bytes().all(|byte| byte.is_ascii_whitespace());
    match element.children().any(|child| child.is_text() && !child.text().is_none_or(blank)) {
        false => Ok(()),
        true => Err(shape(format!("text does not belong in `{}`", element.tag_name().name()))),
    }
}

/// An element stands where it does not belong.
pub(in crate::wire) fn misplaced(name: &str, parent: &str) -> Fault {
    shape(format!("`{}` does not belong in `{}`", abridge(name), abridge(parent)))
}

/// The document is XML, but not what it should be.
pub(in crate::wire) fn shape(message: impl Into<Cow<'static, str>>) -> Fault {
    Fault::new(Kind::Structure, message)
}
