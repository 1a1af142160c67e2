//! The SOAP action: a hint outside the document about the method that is called. It must not contradict the document.

use http::request::Parts;

use crate::http::media_type;
use crate::model::fault::{Fault, Kind};
use crate::model::shape::Shapes;
use crate::model::text::abridge;
use crate::protocol::soap::ACTION_HEADER;

/// Checks that the action of a request does not name another method than its document. A proxy that filters requests by
/// their action would otherwise admit a call of a method that it means to block.
///
/// An action that names no method of the group is ignored.
///
/// # Errors
/// `Structure` if the action names another method.
pub(in crate::protocol::soap) fn check(head: &Parts, method: &str, shapes: &Shapes) -> Result<(), Fault> {
    let header = head.headers.get(ACTION_HEADER).and_then(|value| value.to_str().ok());
    for hint in [header, media_type::parameter(&head.headers, "action")].into_iter().flatten() {
        let hint = hint.trim().trim_matches('"').trim();
        if hint.is_empty() || names(hint, method) {
            continue;
        }
        let other = shapes.methods().iter().find(|other| names(hint, &other.name) || names(hint, &other.element));
        if let Some(other) = other.filter(|other| other.name != method) {
            let message = format!("the action names `{}`, but the `Body` calls `{}`", other.name, abridge(method));
            return Err(Fault::new(Kind::Structure, message));
        }
    }
    Ok(())
}

/// Whether a hint is the name of a method, with or without a namespace before it.
fn names(hint: &str, method: &str) -> bool {
    hint.strip_suffix(method).is_some_and(|before| before.is_empty() || before.ends_with(['#', '/', ':']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_names_a_method_with_or_without_a_namespace() {
        for hint in ["spin", "urn:wheel#spin", "urn:wheel/spin", "urn:wheel:spin", "http://x/y#spin"] {
            assert!(names(hint, "spin"), "{hint}");
        }
        for hint in ["", "spinList", "respin", "spin#", "urn:wheel#spinList"] {
            assert!(!names(hint, "spin"), "{hint}");
        }
        assert!(names("urn:m#math/add", "math/add") && names("urn:m#math/add", "add"));
    }
}
