//! Simple types and their facets, in JSON Schema and for messages.

use serde_json::{Value as Json, json};

use super::source::{ComponentKind, ElementRef, QName, XSD, children, documentation, is, schema_child};
use super::types::{ConvertedType, TypeReader, builtin, optional_facet, refer, text};
use crate::codec::soap::{
    BindingType, Bound, ElementContent, Facet, Pattern, QualifiedName, SimpleType, TypeStructure, Variety,
};
use crate::model::fault::Fault;

/// The most members of a union, with those of the unions inside.
const MAX_UNION: usize = 64;

/// A simple type: its JSON schema, and the texts that it allows.
pub(super) type SimpleText = (Json, SimpleType);

impl<'x> TypeReader<'x> {
    /// A named simple type: a definition if it is an enumeration.
    pub(super) fn named_simple(
        &mut self,
        element: ElementRef<'x>,
        name: QualifiedName,
    ) -> Result<ConvertedType, Fault> {
        let number = self.sources.number(element);
        if let Some(known) = self.simples.get(&number) {
            return Ok(known.clone());
        }
        let local = name.local.clone();
        let (schema, simple) = self.simple_type(element, 0)?;
        let mut converted = self.converted(schema, simple, Some(name));
        if converted.schema.get("enum").is_some() {
            let def = self.reserve(&local);
            let doc = documentation(element);
            if let (Json::Object(members), false) = (&mut converted.schema, doc.is_empty()) {
                members.insert("description".to_owned(), doc.into());
            }
            let schema = std::mem::replace(&mut converted.schema, refer(&def));
            self.defs.insert(def, schema);
        }
        self.simples.insert(number, converted.clone());
        Ok(converted)
    }

    /// A simple type without a name.
    pub(super) fn simple(&mut self, element: ElementRef<'x>) -> Result<ConvertedType, Fault> {
        let (schema, simple) = self.simple_type(element, 0)?;
        Ok(self.converted(schema, simple, None))
    }

    fn converted(&mut self, schema: Json, simple: SimpleType, name: Option<QualifiedName>) -> ConvertedType {
        let content = match (&simple.variety, simple.facets.as_slice()) {
            (Variety::Atomic(kind), []) => ElementContent::Text(kind),
            _ => {
                let structure = TypeStructure::Plain(simple);
                self.add_type(BindingType { name, structure, base: None, is_abstract: false })
            }
        };
        ConvertedType { schema, content }
    }

    fn simple_type(&mut self, element: ElementRef<'x>, depth: usize) -> Result<SimpleText, Fault> {
        self.check_depth(element, depth)?;
        if let Some(restriction) = schema_child(element, "restriction") {
            let base = self.base_text(restriction, depth + 1)?;
            return Ok(restrict(base, restriction));
        }
        if let Some(list) = schema_child(element, "list") {
            let (_, item) = match self.sources.qname(list, "itemType")? {
                Some(name) => self.text_named(&name, list, depth + 1)?,
                None => match schema_child(list, "simpleType") {
                    Some(inner) => self.simple_type(inner, depth + 1)?,
                    None => plain_text(),
                },
            };
            let list = SimpleType { variety: Variety::List(Box::new(item)), facets: Vec::new() };
            return Ok((json!({ "type": "string" }), list));
        }
        if let Some(union) = schema_child(element, "union") {
            return self.union(union, depth + 1);
        }
        Ok(plain_text())
    }

    fn union(&mut self, union: ElementRef<'x>, depth: usize) -> Result<SimpleText, Fault> {
        let mut members = Vec::new();
        for name in union.attribute("memberTypes").unwrap_or_default().split_whitespace().take(MAX_UNION) {
            let name = self.sources.resolve(union, name)?;
            members.push(self.text_named(&name, union, depth)?);
        }
        for inner in children(union).filter(|child| is(*child, XSD, "simpleType")).take(MAX_UNION) {
            members.push(self.simple_type(inner, depth)?);
        }
        let Some((first, _)) = members.first() else { return Ok(plain_text()) };
        let schema = match members.iter().all(|(schema, _)| schema == first) {
            true => first.clone(),
            false => union_schema(&members),
        };
        let members: Vec<_> = members.into_iter().map(|(_, simple)| simple).collect();
        if members.len() > MAX_UNION {
            return Ok(plain_text());
        }
        Ok((schema, SimpleType { variety: Variety::Union(members), facets: Vec::new() }))
    }

    /// The base of a restriction: a simple type, or a complex type with text.
    fn base_text(&mut self, restriction: ElementRef<'x>, depth: usize) -> Result<SimpleText, Fault> {
        if let Some(inner) = schema_child(restriction, "simpleType") {
            return self.simple_type(inner, depth);
        }
        match self.sources.qname(restriction, "base")? {
            Some(name) => self.text_named(&name, restriction, depth),
            None => Ok(plain_text()),
        }
    }

    fn text_named(&mut self, name: &QName, from: ElementRef<'x>, depth: usize) -> Result<SimpleText, Fault> {
        self.check_depth(from, depth)?;
        if let Some(known) = builtin(name) {
            let kind = if let ElementContent::Text(kind) = known.content { kind } else { "string" };
            let schema = if let Json::Object(_) = &known.schema { known.schema } else { text().schema };
            return Ok((schema, SimpleType::atomic(kind)));
        }
        let element = self.sources.find(ComponentKind::Type, name, from)?;
        match element.tag_name().name() {
            "simpleType" => self.simple_type(element, depth + 1),
            _ => Ok(self.text_content(element, depth + 1)?.unwrap_or_else(plain_text)),
        }
    }

    /// The text of a complex type with simple content; `None` for other types.
    pub(super) fn text_content(&mut self, element: ElementRef<'x>, depth: usize) -> Result<Option<SimpleText>, Fault> {
        self.check_depth(element, depth)?;
        let Some(content) = schema_child(element, "simpleContent") else { return Ok(None) };
        if let Some(extension) = schema_child(content, "extension") {
            return self.base_text(extension, depth + 1).map(Some);
        }
        let Some(restriction) = schema_child(content, "restriction") else { return Ok(None) };
        let base = self.base_text(restriction, depth + 1)?;
        Ok(Some(restrict(base, restriction)))
    }

    /// The content of an element with a text of this type.
    pub(super) fn text_element(&mut self, (schema, simple): SimpleText) -> ConvertedType {
        self.converted(schema, simple, None)
    }
}

fn plain_text() -> SimpleText {
    (text().schema, SimpleType::atomic("string"))
}

/// The schema of a union: all texts of its enumerations, a value of the one type that its members restrict, or any text.
fn union_schema(members: &[SimpleText]) -> Json {
    let kinds: Vec<_> = members.iter().map(|(_, simple)| simple.kind()).collect();
    if let (Some((schema, _)), Some(first)) = (members.first(), kinds.first())
        && schema.get("enum").is_none()
        && kinds.iter().all(|kind| kind == first)
        && let Some(kind) = schema.get("type").filter(|kind| *kind != "string")
    {
        return json!({ "type": kind });
    }
    let mut texts: Vec<Json> = Vec::new();
    for (schema, _) in members {
        match schema.get("enum").and_then(Json::as_array) {
            Some(values) => {
                texts.extend(values.iter().filter(|value| !texts.contains(value)).cloned().collect::<Vec<_>>())
            }
            None => return text().schema,
        }
    }
    json!({ "type": "string", "enum": texts })
}

/// Adds the facets of a restriction to its base.
fn restrict((mut schema, mut simple): SimpleText, restriction: ElementRef<'_>) -> SimpleText {
    let values = |name: &'static str| {
        children(restriction).filter(move |child| is(*child, XSD, name)).filter_map(|child| child.attribute("value"))
    };
    let number = |name| values(name).next().and_then(|text| text.trim().parse::<usize>().ok());
    let is_list = matches!(simple.variety, Variety::List(_));
    let texts: Vec<String> = values("enumeration").map(str::to_owned).collect();
    let is_text = schema.get("type").is_some_and(|it| it == "string")
        && schema.get("contentEncoding").is_none()
        && schema.get("format").is_none_or(|format| format != "date-time")
        && !is_list;
    if !texts.is_empty() {
        if is_text {
            optional_facet(&mut schema, "enum", Some(texts.clone().into()));
        }
        simple.facets.push(Facet::OneOf(texts));
    }
    let patterns: Vec<&str> = values("pattern").collect();
    // A number can be written in several ways, of which a pattern allows some: the writer does not choose by it.
    let is_number = schema.get("type").is_some_and(|it| it == "number");
    if let Some(pattern) = Pattern::new(&patterns).filter(|_| !is_number) {
        if is_text {
            optional_facet(&mut schema, "pattern", Some(pattern.regex.clone().into()));
        }
        simple.facets.push(Facet::Pattern(pattern));
    }
    let exact = number("length");
    for (least, name, json_name) in [(true, "minLength", "minLength"), (false, "maxLength", "maxLength")] {
        let Some(length) = exact.or_else(|| number(name)) else { continue };
        // The type of a QName restricts it already, whatever its facets say.
        if is_text {
            optional_facet(&mut schema, json_name, Some(length.into()));
        }
        simple.facets.push(if least { Facet::MinLength(length) } else { Facet::MaxLength(length) });
    }
    for (facet, exclusive) in
        [("minInclusive", false), ("minExclusive", true), ("maxInclusive", false), ("maxExclusive", true)]
    {
        let Some(written) = values(facet).next().map(str::trim).filter(|_| is_numeric(&schema)) else { continue };
        let name = match facet {
            "minInclusive" => "minimum",
            "minExclusive" => "exclusiveMinimum",
            "maxInclusive" => "maximum",
            _ => "exclusiveMaximum",
        };
        optional_facet(&mut schema, name, json_number(written));
        let bound = Bound { text: written.to_owned(), exclusive };
        simple.facets.push(if facet.starts_with("min") { Facet::Min(bound) } else { Facet::Max(bound) });
    }
    if is_numeric(&schema) {
        simple.facets.extend(number("totalDigits").map(Facet::TotalDigits));
        simple.facets.extend(number("fractionDigits").map(Facet::FractionDigits));
    }
    (schema, simple)
}

fn is_numeric(schema: &Json) -> bool {
    schema.get("type").is_some_and(|it| it == "integer" || it == "number")
}

fn json_number(text: &str) -> Option<Json> {
    let bare = text.strip_prefix('+').unwrap_or(text);
    match (bare.parse::<i64>(), bare.parse::<u64>()) {
        (Ok(number), _) => Some(number.into()),
        (_, Ok(number)) => Some(number.into()),
        _ => serde_json::Number::from_f64(bare.parse().ok()?).map(Json::Number),
    }
}
