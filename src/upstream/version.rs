//! What is known about an upstream. It is replaced as a whole when the upstream describes itself differently; calls that
//! are running keep the description that they began with.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::codec::soap::SoapVersion;
use crate::model::interface::{Interface, MessageName};
use crate::model::shape::Shapes;
use crate::protocol::client_codec::ClientCodec;

/// What an upstream offers, as far as is known.
#[derive(Clone)]
pub(super) struct Description {
    pub(super) interface: Arc<Interface>,
    pub(super) shapes: Shapes,
    /// Whether the number of parameters that methods take is inferred.
    pub(super) inferred: bool,
    /// What the operator's settings say about methods that the upstream does not have: a slip, or settings for another
    /// version of the upstream.
    pub(super) unmatched: Vec<String>,
    /// How calls are encoded; `None` as long as that is unknown.
    pub(super) codec: Option<ClientCodec>,
}

impl Description {
    /// A complete description. The messages of a SOAP upstream become part of the interface.
    pub(super) fn new(
        mut interface: Interface,
        inferred: bool,
        unmatched: Vec<String>,
        codec: ClientCodec,
    ) -> Description {
        if let ClientCodec::Soap(soap) = &codec {
            interface.messages = messages(soap.binding());
        }
        Description {
            shapes: Shapes::of(&interface),
            interface: Arc::new(interface),
            inferred,
            unmatched,
            codec: Some(codec),
        }
    }

    /// What is known before the upstream has described itself.
    pub(super) fn unknown(title: String, codec: Option<ClientCodec>) -> Description {
        let interface = Interface { title, incomplete: true, ..Interface::default() };
        Description {
            shapes: Shapes::of(&interface),
            interface: Arc::new(interface),
            inferred: true,
            unmatched: Vec::new(),
            codec,
        }
    }

    /// Makes the messages of the upstream's own WSDL unknown.
    pub(super) fn forget_messages(&mut self) {
        Arc::make_mut(&mut self.interface).messages.clear();
    }

    /// Whether there are no methods beyond those of the interface.
    pub(super) fn is_complete(&self) -> bool {
        !self.interface.incomplete
    }
}

fn messages(binding: &crate::codec::soap::Binding) -> Vec<MessageName> {
    let of = |operation: &crate::codec::soap::Operation| {
        let wrapper = operation.wrapper.as_ref()?;
        Some(MessageName {
            method: operation.method.clone(),
            soap12: binding.version == SoapVersion::V12,
            element: wrapper.local.clone(),
            namespace: wrapper.namespace.and_then(|place| binding.namespaces.get(place)).cloned(),
            action: operation.action.clone(),
        })
    };
    binding.operations.iter().filter_map(of).collect()
}

/// The current description of an upstream.
pub(super) struct Current(ArcSwap<Description>);

impl Current {
    pub(super) fn new(description: Description) -> Current {
        Current(ArcSwap::from_pointee(description))
    }

    pub(super) fn get(&self) -> Arc<Description> {
        self.0.load_full()
    }

    /// Replaces the description if the new one says something else; a different order of methods does not count.
    /// Returns whether it was replaced.
    pub(super) fn replace(&self, new: Description) -> bool {
        let old = self.0.load();
        if old.codec.is_some() && old.interface.is_same_in_any_order(&new.interface) {
            return false;
        }
        self.0.store(Arc::new(new));
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use super::*;
    use crate::model::interface::Method;

    fn described(names: &[&str]) -> Description {
        let method = |name: &&str| Method {
            name: (*name).to_owned(),
            doc: String::new(),
            params: Vec::new(),
            result: schemars::Schema::default(),
            safe: false,
        };
        let interface = Interface { methods: names.iter().map(method).collect(), ..Interface::default() };
        Description::new(interface, false, Vec::new(), ClientCodec::JsonRpc(Default::default()))
    }

    #[test]
    fn only_the_newest_of_3000_descriptions_is_kept() {
        let current = Current::new(Description::unknown(String::new(), None));
        let mut weak: Vec<Weak<Description>> = Vec::new();
        for number in 0..3000 {
            assert!(current.replace(described(&[&format!("method{number}")])), "{number}");
            weak.push(Arc::downgrade(&current.get()));
        }
        assert_eq!(weak.iter().filter(|weak| weak.strong_count() > 0).count(), 1);
        assert_eq!(current.get().interface.methods[0].name, "method2999");
    }

    #[test]
    fn another_order_of_methods_is_no_change() {
        let current = Current::new(described(&["a", "b", "c"]));
        let before = current.get();
        assert!(!current.replace(described(&["c", "a", "b"])));
        assert!(Arc::ptr_eq(&before, &current.get()));
        assert!(current.replace(described(&["a", "b"])));
        assert!(current.replace(described(&["a", "c"])));
    }
}
