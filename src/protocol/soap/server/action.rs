//! What a request says beside its document about the method it calls: a hint that must not contradict it.

use http::request::Parts;

use crate::http::media_type;
use crate::model::fault::{Fault, Kind};
use crate::model::shape::Shapes;
use crate::model::text::abridge;
use crate::protocol::soap::ACTION_HEADER;

/// Refuses a request that names one method beside its document and calls another in it: whatever stands before the
/// server and goes by the hint would have let pass something else than it believed.
///
/// The hint may be anything that names no method of the group.
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

/// Whether a hint is a method's name, alone or behind a namespace.
fn names(hint: &str, method: &str) -> bool {
    hint.strip_suffix(method).is_some_and(|before| before.is_empty() || before.ends_with(['#', '/', ':']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_names_a_method_alone_or_behind_a_namespace() {
        for hint in ["spin", "urn:wheel#spin", "urn:wheel/spin", "urn:wheel:spin", "http://x/y#spin"] {
            assert!(names(hint, "spin"), "{hint}");
        }
        for hint in ["", "spinList", "respin", "spin#", "urn:wheel#spinList"] {
            assert!(!names(hint, "spin"), "{hint}");
        }
        assert!(names("urn:m#math/add", "math/add") && names("urn:m#math/add", "add"));
    }
}
