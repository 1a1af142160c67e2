//! The description of an upstream. It is replaced as a whole when the upstream describes itself differently; calls that
//! are running keep the description that they began with.

use std::borrow::Cow;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::gaps::DescriptionGaps;
use super::http_operations::operations;
use super::options::{UnmatchedName, UpstreamOptions};
use crate::codec::soap::{Binding, Operation, SoapVersion};
use crate::model::interface::{Interface, MessageName};
use crate::model::shape::Shapes;
use crate::protocol::client_codec::ClientCodec;

/// The methods of an upstream, and how calls to it are encoded.
#[derive(Clone)]
pub(super) struct Description {
    pub(super) interface: Arc<Interface>,
    pub(super) shapes: Shapes,
    /// Whether the numbers of parameters are inferred, so that a call with another number is sent on too.
    pub(super) inferred: bool,
    /// The names in the options that match no method of the upstream: misspelt, or meant for another version of it.
    pub(super) unmatched: Vec<UnmatchedName>,
    /// What the upstream says and cannot be used.
    pub(super) gaps: Arc<DescriptionGaps>,
    /// How calls are encoded; `None` as long as that is unknown.
    pub(super) codec: Option<ClientCodec>,
}

impl Description {
    /// A complete description. The messages of a SOAP upstream become part of the interface.
    pub(super) fn new(
        mut interface: Interface,
        inferred: bool,
        unmatched: Vec<UnmatchedName>,
        (codec, options): (ClientCodec, &UpstreamOptions),
    ) -> Description {
        if let ClientCodec::Soap(soap) = &codec {
            interface.messages = messages(soap.binding());
        }
        if let ClientCodec::Rest(rest) = &codec {
            interface.operations = Arc::new(operations(&rest.binding, &interface, options.check_bodies));
        }
        Description {
            shapes: Shapes::of(&with_named_methods(&interface, options)),
            interface: Arc::new(interface),
            inferred,
            unmatched,
            gaps: Arc::default(),
            codec: Some(codec),
        }
    }

    /// The description before the upstream has described itself.
    pub(super) fn unknown(title: String, codec: Option<ClientCodec>, options: &UpstreamOptions) -> Description {
        let mut interface = Interface { title, incomplete: true, ..Interface::default() };
        options.declare_in(&mut interface);
        Description {
            shapes: Shapes::of(&with_named_methods(&interface, options)),
            interface: Arc::new(interface),
            inferred: true,
            unmatched: Vec::new(),
            gaps: Arc::default(),
            codec,
        }
    }

    /// Removes the messages and requests of the upstream's own description, so that none is passed through unchanged.
    pub(super) fn clear_messages(&mut self) {
        let interface = Arc::make_mut(&mut self.interface);
        interface.messages.clear();
        interface.operations = Arc::default();
    }

    /// Whether there are no methods beyond those of the interface.
    pub(super) fn is_complete(&self) -> bool {
        !self.interface.incomplete
    }
}

/// The interface for calls: also with the methods for which the options have `params`. Documents do not have those that the upstream
/// does not list, because it may not have them.
fn with_named_methods<'i>(interface: &'i Interface, options: &UpstreamOptions) -> Cow<'i, Interface> {
    let is_listed = |name: &str| interface.methods.iter().any(|method| method.name == name);
    let named: Vec<_> = options.named_methods().filter(|method| !is_listed(&method.name)).collect();
    if named.is_empty() {
        return Cow::Borrowed(interface);
    }
    let mut interface = interface.clone();
    interface.methods.extend(named);
    Cow::Owned(interface)
}

/// How messages name the operations that have an element of their own in the Body.
fn messages(binding: &Binding) -> Vec<MessageName> {
    let message_name = |operation: &Operation| {
        let wrapper = operation.wrapper.as_ref()?;
        Some(MessageName {
            method: operation.method.clone(),
            soap12: binding.version == SoapVersion::V12,
            element: wrapper.local.clone(),
            namespace: wrapper.namespace.and_then(|index| binding.namespaces.get(index)).cloned(),
            action: operation.action.clone(),
        })
    };
    binding.operations.iter().filter_map(message_name).collect()
}

/// Whether the requests for the methods are the same, if a description says how they are made beside the interface. Those of SOAP
/// are in the interface.
fn has_same_requests(old: Option<&ClientCodec>, new: Option<&ClientCodec>) -> bool {
    if let (Some(ClientCodec::Mcp(old)), Some(ClientCodec::Mcp(new))) = (old, new) {
        return old.tools == new.tools;
    }
    let (Some(ClientCodec::Rest(old)), Some(ClientCodec::Rest(new))) = (old, new) else { return true };
    let (old, new) = (&old.binding, &new.binding);
    old.base == new.base
        && old.operations.len() == new.operations.len()
        && old.operations.iter().zip(&new.operations).all(|(operation, at_same_index)| {
            operation == at_same_index || new.operation(&operation.method) == Some(operation)
        })
}

/// The current description of an upstream, which discovery replaces while calls read it.
pub(super) struct CurrentDescription(ArcSwap<Description>);

impl CurrentDescription {
    pub(super) fn new(description: Description) -> CurrentDescription {
        CurrentDescription(ArcSwap::from_pointee(description))
    }

    pub(super) fn get(&self) -> Arc<Description> {
        self.0.load_full()
    }

    /// Replaces the description unless the new one is the same, apart from the order of its methods. Returns whether it
    /// was replaced.
    pub(super) fn replace(&self, new: Description) -> bool {
        let old = self.0.load();
        let is_same = old.gaps == new.gaps
            && old.interface.is_same_in_any_order(&new.interface)
            && has_same_requests(old.codec.as_ref(), new.codec.as_ref());
        if old.codec.is_some() && is_same {
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
    use crate::protocol::Protocol;

    fn described(names: &[&str]) -> Description {
        let interface =
            Interface { methods: names.iter().map(|name| Method::undescribed(name)).collect(), ..Interface::default() };
        Description::new(
            interface,
            false,
            Vec::new(),
            (ClientCodec::JsonRpc(Default::default()), &UpstreamOptions::new(Protocol::JsonRpc)),
        )
    }

    #[test]
    fn only_the_newest_of_3000_descriptions_is_kept() {
        let current =
            CurrentDescription::new(Description::unknown(String::new(), None, &UpstreamOptions::new(Protocol::XmlRpc)));
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
        let current = CurrentDescription::new(described(&["a", "b", "c"]));
        let before = current.get();
        assert!(!current.replace(described(&["c", "a", "b"])));
        assert!(Arc::ptr_eq(&before, &current.get()));
        assert!(current.replace(described(&["a", "b"])));
        assert!(current.replace(described(&["a", "c"])));
    }
}
