//! Rules for the documents of every interface: those of the WS-I Basic Profile 1.1, with their numbers.

use std::collections::HashSet;

use roxmltree::{Document, Node};
use schemars::json_schema;

use super::*;
use crate::model::interface::{Method, Param};

const NAMESPACE: &str = "urn:a&b";
const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";

/// An interface with names and texts that are hostile to XML.
fn hostile() -> Interface {
    let text = "</wsdl:documentation><!-- & ]]> \u{1} \r\n\"'";
    let method = |name: &str, schema| Method {
        name: name.into(),
        doc: text.into(),
        params: vec![Param { name: "a <b>".into(), doc: text.into(), schema, required: true }],
        result: json_schema!({ "type": "array", "items": { "enum": ["<", "\"", "&"] } }),
        safe: false,
    };
    let mut methods = vec![
        method("math/add", json_schema!({ "type": "integer", "default": "\"<" })),
        method("fault", json_schema!(true)),
        method("a", json_schema!({ "type": "array", "items": { "$ref": "#/$defs/Value" } })),
        method("a_a", json_schema!({ "type": "array" })),
        method("aResponse", json_schema!({ "type": ["null", "object"], "additionalProperties": { "type": "null" } })),
    ];
    // The types of these parameters and of a result would all have one name.
    methods[2].params[0].name = "a_result".into();
    methods[3].params[0].name = "result".into();
    let value =
        serde_json::json!({ "type": "object", "properties": { "x": { "$ref": "#/$defs/Value" }, "any": true } });
    let defs = [("Value".to_owned(), value)].into_iter().collect();
    Interface { title: "<b>1</b> title".into(), doc: text.into(), methods, defs, ..Interface::default() }
}

fn forms() -> impl Iterator<Item = WsdlForm> {
    [Style::Document, Style::Rpc].into_iter().flat_map(|style| {
        [Versions::One, Versions::Two, Versions::Both].into_iter().map(move |versions| WsdlForm { style, versions })
    })
}

fn text(interface: &Interface, form: WsdlForm) -> String {
    document(interface, &Shapes::of(interface), NAMESPACE, "http://h/a?b&c", form)
}

/// All elements of this name, in WSDL's namespace.
fn all<'d>(document: &'d Document<'_>, name: &'static str) -> impl Iterator<Item = Node<'d, 'd>> {
    document.descendants().filter(move |node| node.has_tag_name((WSDL, name)))
}

#[test]
fn hostile_names_and_texts_are_nothing_but_text() {
    let interface = hostile();
    for form in forms() {
        let text = text(&interface, form);
        let document = Document::parse(&text).unwrap();
        let expected = interface.doc.replace('\u{1}', "\u{fffd}");
        let docs = all(&document, "documentation").filter(|doc| doc.text() == Some(expected.as_str())).count();
        assert!(docs > interface.methods.len(), "{text}");
        assert!(!document.descendants().any(|node| node.is_comment()));
        assert_eq!(document.root_element().attribute("targetNamespace"), Some(NAMESPACE));
        assert_eq!(document.root_element().attribute("name"), Some("B1BTitle"));
    }
}

#[test]
fn names_are_given_once_and_references_lead_somewhere() {
    let interface = hostile();
    for form in forms() {
        let text = text(&interface, form);
        let document = Document::parse(&text).unwrap();
        let schema = document.descendants().find(|node| node.tag_name().name() == "schema").unwrap();
        let mut given = HashSet::new();
        let globals = schema.children().chain(document.root_element().children()).filter(Node::is_element);
        for node in globals.filter(|node| node.attribute("name").is_some()) {
            let sort = if node.tag_name().name().ends_with("Type") { "type" } else { node.tag_name().name() };
            let sort = if sort == "portType" { "port" } else { sort };
            assert!(given.insert((sort, node.attribute("name").unwrap())), "{node:?} occurs twice in\n{text}");
        }
        let kinds = |name| match name {
            "element" => "element",
            "message" => "message",
            "binding" => "binding",
            _ => "type",
        };
        for node in document.descendants() {
            for attribute in node.attributes().filter(|it| it.value().starts_with("tns:")) {
                let (sort, name) = (kinds(attribute.name()), attribute.value().strip_prefix("tns:").unwrap());
                let found = given.contains(&(sort, name)) || (sort == "type" && given.contains(&("port", name)));
                assert!(found, "{attribute:?} leads nowhere in\n{text}");
            }
        }
    }
}

#[test]
fn messages_have_the_parts_that_their_style_allows() {
    let interface = hostile();
    for form in forms() {
        let text = text(&interface, form);
        let document = Document::parse(&text).unwrap();
        for message in all(&document, "message") {
            let parts: Vec<_> = message.children().filter(|node| node.has_tag_name((WSDL, "part"))).collect();
            if form.style == Style::Document {
                // R2201 and R2210: one part; R2204: which is an element.
                assert!(parts.len() == 1 && parts[0].attribute("element").is_some(), "{text}");
            } else {
                // R2203: parts of types.
                assert!(parts.iter().all(|part| part.attribute("type").is_some()), "{text}");
            }
            // R2306: never both.
            assert!(!parts.iter().any(|part| part.attribute("type").is_some() && part.attribute("element").is_some()));
        }
    }
}

#[test]
fn bindings_are_literal_and_have_every_operation_once() {
    let interface = hostile();
    for form in forms() {
        let text = text(&interface, form);
        let document = Document::parse(&text).unwrap();
        let names = |node: Node<'_, '_>| -> Vec<String> {
            let operations = node.children().filter(|node| node.has_tag_name((WSDL, "operation")));
            operations.map(|operation| operation.attribute("name").unwrap().to_owned()).collect()
        };
        let offered = names(all(&document, "portType").next().unwrap());
        // R2304 and R2718.
        assert_eq!(offered.iter().collect::<HashSet<_>>().len(), interface.methods.len());
        let bindings: Vec<_> = all(&document, "binding").collect();
        assert_eq!(bindings.len(), if form.versions == Versions::Both { 2 } else { 1 });
        assert!(bindings.iter().all(|binding| names(*binding) == offered));
        let bodies = document.descendants().filter(|node| matches!(node.tag_name().name(), "body"));
        for body in bodies {
            // R2706, R2716 and R2717.
            assert_eq!(body.attribute("use"), Some("literal"));
            assert_eq!(body.attribute("namespace"), (form.style == Style::Rpc).then_some(NAMESPACE));
        }
        // R2110 to R2112.
        assert!(!text.contains("ArrayOf") && !text.contains("arrayType"));
    }
}

#[test]
fn faults_are_described_if_no_method_has_the_name_of_their_element() {
    let mut interface = hostile();
    for form in forms() {
        assert_eq!(all(&Document::parse(&text(&interface, form)).unwrap(), "fault").count(), 0);
    }
    interface.methods.retain(|method| method.name != "fault");
    for form in forms() {
        let text = text(&interface, form);
        let document = Document::parse(&text).unwrap();
        // R2205: the part is an element; R2721: the name is that of the port type's fault.
        let message = all(&document, "message").find(|message| message.attribute("name") == Some("fault")).unwrap();
        assert_eq!(message.first_element_child().unwrap().attribute("element"), Some("tns:fault"));
        let bound = document.descendants().filter(|node| node.tag_name().name() == "fault");
        assert!(bound.clone().count() > interface.methods.len());
        assert!(bound.into_iter().all(|fault| fault.attribute("name") == Some("fault")), "{text}");
    }
}

#[test]
fn titles_become_names_that_any_language_has() {
    for (title, name) in [
        ("American wheel", "AmericanWheel"),
        ("every-type 2", "EveryType2"),
        ("", "Service"),
        ("2 wheels", "Service2Wheels"),
        ("żółć", "Service"),
    ] {
        assert_eq!(service_name(title), name);
    }
}
