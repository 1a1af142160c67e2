//! The content of complex types: elements in their order, wildcards and attributes.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value as Json, json};

use super::source::{ComponentKind, ElementRef, XSD, children, documentation, schema_child, target};
use super::types::{ConvertedType, ENCODING, Member, TypeReader, any, builtin, is_qualified, is_true, optional, text};
use crate::codec::soap::{
    ElementContent, MessagePart, Occurrence, PartKind, Particle, QualifiedName, Range, RecordType, Wildcard,
};
use crate::model::fault::Fault;
use crate::model::shape::unescape;

/// The largest number of members of one type.
const MAX_MEMBERS_OF_TYPE: usize = 2000;
/// The most alternatives of a choice that the schema of a record describes.
const MAX_ALTERNATIVES: usize = 24;

const WSDL: &str = super::source::WSDL;

/// The content of a complex type.
#[derive(Default)]
pub(super) struct Content {
    /// The elements, then the attributes.
    pub(super) members: Vec<Member>,
    pub(super) particles: Vec<Particle>,
    pub(super) wildcard: Option<Wildcard>,
    pub(super) any_attribute: bool,
    pub(super) mixed: bool,
}

impl Content {
    /// Elements that occur once, in order.
    pub(super) fn sequence(members: Vec<Member>) -> Content {
        let particles = (0..members.len()).map(|at| Particle::Part(at, Range::ONCE)).collect();
        Content { members, particles, ..Content::default() }
    }

    /// Whether there may be content that the type does not name.
    pub(super) fn is_open(&self) -> bool {
        self.wildcard.is_some() || self.mixed
    }

    /// Whether all members are elements, and nothing else is allowed.
    pub(super) fn is_plain(&self) -> bool {
        !self.is_open() && !self.any_attribute && self.members.iter().all(|it| it.part.kind == PartKind::Element)
    }

    /// A list of the only member, if it is repeated: how often it may occur.
    pub(super) fn only_range(&self) -> Range {
        counts(&self.particles).remove(&0).unwrap_or(Range { min: 0, max: u32::MAX })
    }

    /// The form of messages with this content.
    pub(super) fn into_record(self) -> RecordType {
        let mut locals = HashSet::new();
        let mut elements = self.members.iter().map(|it| &it.part).filter(|part| part.kind == PartKind::Element);
        RecordType {
            allows_several_orders: self.particles.iter().any(|it| allows_several_orders(it, false)),
            has_ambiguous_names: !elements.all(|part| locals.insert(part.element.local.clone())),
            parts: self.members.into_iter().map(|member| member.part).collect(),
            particles: self.particles,
            entry: None,
            wildcard: self.wildcard,
            any_attribute: self.any_attribute,
            mixed: self.mixed,
        }
    }
}

/// Whether a content model allows elements of different names in more than one order. `is_repeated` says that it is in a group
/// that is repeated.
fn allows_several_orders(particle: &Particle, is_repeated: bool) -> bool {
    match particle {
        Particle::Sequence(range, inside) | Particle::Choice(range, inside) => {
            let is_repeated = is_repeated || range.max > 1;
            (is_repeated && inside.len() > 1) || inside.iter().any(|it| allows_several_orders(it, is_repeated))
        }
        Particle::Part(..) | Particle::Wildcard => false,
    }
}

/// An attribute that a type declares, or prohibits although its base declares it.
struct Attribute {
    element: QualifiedName,
    converted: ConvertedType,
    required: bool,
    fixed: Option<String>,
    default: Option<String>,
    doc: String,
}

impl<'x> TypeReader<'x> {
    /// The content of a complex type; that of its base type comes first.
    pub(super) fn content(&mut self, element: ElementRef<'x>, hint: &str) -> Result<Content, Fault> {
        let mut content = Content::default();
        self.elements(element, hint, 0, &mut content)?;
        let mut attributes = Vec::new();
        self.attributes(element, 0, &mut attributes, &mut content.any_attribute)?;
        settle(&mut content);
        for attribute in attributes {
            add_attribute(&mut content.members, attribute);
        }
        Ok(content)
    }

    /// The attributes of a type whose content is a text.
    pub(super) fn attributes_of_text(&mut self, element: ElementRef<'x>) -> Result<(Vec<Member>, bool), Fault> {
        let (mut attributes, mut any_attribute, mut members) = (Vec::new(), false, Vec::new());
        self.attributes(element, 0, &mut attributes, &mut any_attribute)?;
        attributes.into_iter().for_each(|attribute| add_attribute(&mut members, attribute));
        Ok((members, any_attribute))
    }

    fn elements(&mut self, element: ElementRef<'x>, hint: &str, depth: usize, to: &mut Content) -> Result<(), Fault> {
        self.check_depth(element, depth)?;
        let mut own = element;
        let is_mixed = |element: ElementRef<'x>| element.attribute("mixed").is_some_and(is_true);
        to.mixed |= is_mixed(element);
        if let Some(content) = schema_child(element, "complexContent") {
            to.mixed |= is_mixed(content);
            if let Some(extension) = schema_child(content, "extension") {
                own = extension;
                if let Some(base) = self.base(extension)? {
                    self.elements(base, hint, depth + 1, to)?;
                }
            } else if let Some(restriction) = schema_child(content, "restriction") {
                own = restriction;
            }
        }
        let particles = self.particles(own, hint, depth + 1, to)?;
        to.particles.extend(particles);
        Ok(())
    }

    /// The base type of an extension or a restriction, unless it is built in.
    pub(super) fn base(&mut self, derivation: ElementRef<'x>) -> Result<Option<ElementRef<'x>>, Fault> {
        let Some(name) = self.sources.qname(derivation, "base")? else { return Ok(None) };
        if builtin(&name).is_some() || name.namespace == ENCODING {
            return Ok(None);
        }
        self.sources.find(ComponentKind::Type, &name, derivation).map(Some)
    }

    /// Reads the content of a sequence, a choice, or an element with these.
    pub(super) fn particles(
        &mut self,
        parent: ElementRef<'x>,
        hint: &str,
        depth: usize,
        to: &mut Content,
    ) -> Result<Vec<Particle>, Fault> {
        self.check_depth(parent, depth)?;
        let mut particles = Vec::new();
        // What stands in a choice together is one alternative.
        let is_choice = parent.tag_name().name() == "choice";
        for child in children(parent).filter(|child| child.tag_name().namespace() == Some(XSD)) {
            let range = range(child);
            if range.max == 0 {
                continue;
            }
            match child.tag_name().name() {
                "element" => particles.extend(self.element(child, hint, range, to)?),
                "sequence" | "all" => {
                    let inside = self.particles(child, hint, depth + 1, to)?;
                    nest(&mut particles, range, inside, is_choice);
                }
                "choice" => {
                    let inside = self.particles(child, hint, depth + 1, to)?;
                    if !inside.is_empty() {
                        particles.push(Particle::Choice(range, inside));
                    }
                }
                "group" => {
                    self.take_member(child)?;
                    if let Some(name) = self.sources.qname(child, "ref")? {
                        let group = self.sources.find(ComponentKind::Group, &name, child)?;
                        let inside = self.particles(group, hint, depth + 1, to)?;
                        nest(&mut particles, range, inside, is_choice);
                    }
                }
                "any" => {
                    let wildcard = self.wildcard(child);
                    to.wildcard.get_or_insert(wildcard);
                    particles.push(Particle::Wildcard);
                }
                _ => {}
            }
        }
        Ok(particles)
    }

    /// The elements of a wildcard are written in its namespace if there is only one.
    fn wildcard(&mut self, element: ElementRef<'x>) -> Wildcard {
        let namespace = match element.attribute("namespace").map(str::trim) {
            Some("##targetNamespace") => target(element),
            Some(namespace) if !namespace.is_empty() && !namespace.contains([' ', '#']) => namespace,
            _ => "",
        };
        Wildcard { namespace: self.name(namespace, "").namespace }
    }

    /// An element, or the choice of the elements that can stand in its place.
    fn element(
        &mut self,
        element: ElementRef<'x>,
        hint: &str,
        range: Range,
        to: &mut Content,
    ) -> Result<Option<Particle>, Fault> {
        let Some(name) = self.sources.qname(element, "ref")? else {
            let at = self.member(element, element, false, hint, to)?;
            return Ok(Some(Particle::Part(at, range)));
        };
        // A schema within a message, as in a DataSet of .NET: it is content of any kind.
        if name.namespace == XSD {
            to.wildcard.get_or_insert(Wildcard { namespace: None });
            return Ok(Some(Particle::Wildcard));
        }
        let declared = self.sources.find(ComponentKind::Element, &name, element)?;
        let substitutes = self.substitutes(declared);
        let is_abstract = declared.attribute("abstract").is_some_and(is_true);
        if substitutes.is_empty() {
            let at = self.member(element, declared, true, hint, to)?;
            return Ok(Some(Particle::Part(at, range)));
        }
        let mut alternatives = Vec::new();
        for declared in Some(declared).filter(|_| !is_abstract).into_iter().chain(substitutes) {
            let at = self.member(element, declared, true, hint, to)?;
            alternatives.push(Particle::Part(at, Range::ONCE));
        }
        Ok(Some(Particle::Choice(range, alternatives)))
    }

    /// The index of the member for an element, which is added unless the type has it already.
    fn member(
        &mut self,
        element: ElementRef<'x>,
        declared: ElementRef<'x>,
        global: bool,
        hint: &str,
        to: &mut Content,
    ) -> Result<usize, Fault> {
        self.take_member(element)?;
        let local = declared
            .attribute("name")
            .ok_or_else(|| self.sources.description_fault(declared, "an element has no name"))?;
        let namespace = if global || is_qualified(declared, "elementFormDefault") { target(declared) } else { "" };
        let own = self.name(namespace, local);
        if let Some(known) = to.members.iter().position(|known| known.part.element == own) {
            return Ok(known);
        }
        if to.members.len() >= MAX_MEMBERS_OF_TYPE {
            return Err(self.too_many_members(element));
        }
        let ConvertedType { schema, content } = self.type_of_element(declared, &format!("{hint}_{local}"))?;
        self.take_schema(&schema, element)?;
        let nillable = declared.attribute("nillable").is_some_and(is_true);
        let doc = Some(documentation(element)).filter(|doc| !doc.is_empty());
        let fixed = declared.attribute("fixed").map(str::to_owned);
        let name = unique(&to.members, unescape(local).into_owned());
        let part = MessagePart { nillable, fixed, ..MessagePart::element(name, own, content) };
        let item = fixed_schema(if nillable { optional(schema) } else { schema }, part.fixed.as_deref());
        to.members.push(Member {
            part,
            schema: item.clone(),
            item,
            required: true,
            doc: doc.unwrap_or_else(|| documentation(declared)),
        });
        Ok(to.members.len() - 1)
    }

    /// The attributes of a type, with those of its base type and of the groups it refers to.
    fn attributes(
        &mut self,
        element: ElementRef<'x>,
        depth: usize,
        to: &mut Vec<Attribute>,
        any_attribute: &mut bool,
    ) -> Result<(), Fault> {
        self.check_depth(element, depth)?;
        let content = schema_child(element, "complexContent").or_else(|| schema_child(element, "simpleContent"));
        let derivation = content
            .and_then(|content| schema_child(content, "extension").or_else(|| schema_child(content, "restriction")));
        if let Some(derivation) = derivation {
            // A base that is not there has no attributes; its elements are asked for elsewhere.
            if let Ok(Some(base)) = self.base(derivation) {
                self.attributes(base, depth + 1, to, any_attribute)?;
            }
            return self.own_attributes(derivation, depth + 1, to, any_attribute);
        }
        self.own_attributes(element, depth, to, any_attribute)
    }

    fn own_attributes(
        &mut self,
        parent: ElementRef<'x>,
        depth: usize,
        to: &mut Vec<Attribute>,
        any_attribute: &mut bool,
    ) -> Result<(), Fault> {
        self.check_depth(parent, depth)?;
        for child in children(parent).filter(|child| child.tag_name().namespace() == Some(XSD)) {
            match child.tag_name().name() {
                "attribute" => self.attribute(child, to)?,
                "attributeGroup" => {
                    self.take_member(child)?;
                    let group = self.sources.qname(child, "ref").ok().flatten();
                    let group =
                        group.and_then(|name| self.sources.find(ComponentKind::AttributeGroup, &name, child).ok());
                    if let Some(group) = group {
                        self.own_attributes(group, depth + 1, to, any_attribute)?;
                    }
                }
                "anyAttribute" => *any_attribute = true,
                _ => {}
            }
        }
        Ok(())
    }

    fn attribute(&mut self, child: ElementRef<'x>, to: &mut Vec<Attribute>) -> Result<(), Fault> {
        self.take_member(child)?;
        let usage = child.attribute("use").map(str::trim).unwrap_or_default();
        let (declared, element) = match self.sources.qname(child, "ref").ok().flatten() {
            // SOAP's encoding and WSDL describe arrays by attributes, which are no members.
            Some(name) if [ENCODING, WSDL, ENVELOPE].contains(&name.namespace.as_str()) => return Ok(()),
            Some(name) => {
                let declared = self.sources.find(ComponentKind::Attribute, &name, child).ok();
                (declared, self.name(&name.namespace, &name.local))
            }
            None => {
                let Some(local) = child.attribute("name") else { return Ok(()) };
                let namespace = if is_qualified(child, "attributeFormDefault") { target(child) } else { "" };
                (Some(child), self.name(namespace, local))
            }
        };
        to.retain(|known| known.element != element);
        if usage == "prohibited" {
            return Ok(());
        }
        if to.len() >= MAX_MEMBERS_OF_TYPE {
            return Err(self.too_many_members(child));
        }
        // A text does for an attribute whose type is not there.
        let converted = declared.and_then(|declared| self.type_of_attribute(declared).ok()).unwrap_or_else(text);
        let given = |name| child.attribute(name).or_else(|| declared?.attribute(name)).map(str::to_owned);
        let doc = documentation(child);
        to.push(Attribute {
            element,
            converted,
            required: usage == "required",
            fixed: given("fixed"),
            default: given("default"),
            doc: if doc.is_empty() { declared.map(documentation).unwrap_or_default() } else { doc },
        });
        Ok(())
    }

    fn type_of_attribute(&mut self, declared: ElementRef<'x>) -> Result<ConvertedType, Fault> {
        if let Some(name) = self.sources.qname(declared, "type")? {
            let is_complex = |element: ElementRef<'x>| element.tag_name().name() == "complexType";
            let complex = self.sources.find(ComponentKind::Type, &name, declared).is_ok_and(is_complex);
            let converted = if complex { text() } else { self.type_named(&name, declared)? };
            return Ok(if converted.content == ElementContent::Any { text() } else { converted });
        }
        match schema_child(declared, "simpleType") {
            Some(inner) => self.simple(inner),
            None => Ok(text()),
        }
    }
}

/// The namespace of SOAP 1.1's envelope, which has attributes of its own.
const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// Adds an attribute as a member. Where an element has its name already, it gets an `@`.
fn add_attribute(members: &mut Vec<Member>, attribute: Attribute) {
    let Attribute { element, converted: ConvertedType { schema, content }, required, fixed, default, doc } = attribute;
    let plain = unescape(&element.local).into_owned();
    let is_taken = |name: &str| members.iter().any(|member| member.part.name == name);
    let name = if is_taken(&plain) { unique(members, format!("@{plain}")) } else { plain };
    let mut schema = match (&fixed, schema.get("$ref")) {
        // Only enumerations are definitions among the types of attributes.
        (Some(fixed), Some(_)) => json!({ "type": "string", "const": fixed }),
        (fixed, _) => fixed_schema(schema, fixed.as_deref()),
    };
    if let (Json::Object(words), Some(default)) = (&mut schema, &default)
        && let Some(default) = default_value(words, default)
    {
        words.insert("default".to_owned(), default);
    }
    let occurs = if required { Occurrence::Once } else { Occurrence::Maybe };
    // A fixed value that is required is sent without being given.
    let required = required && fixed.is_none();
    let kind = PartKind::Attribute;
    let part = MessagePart { kind, occurs, fixed, ..MessagePart::element(name, element, content) };
    members.push(Member { part, item: schema.clone(), schema, required, doc });
}

/// The default of an attribute in the type of its schema.
fn default_value(schema: &Map<String, Json>, written: &str) -> Option<Json> {
    match schema.get("type").and_then(Json::as_str) {
        Some("string") => Some(written.into()),
        Some("integer") => written.trim().parse::<i64>().ok().map(Json::from),
        Some("number") => written.trim().parse::<f64>().ok().map(Json::from),
        Some("boolean") => match written.trim() {
            "true" | "1" => Some(true.into()),
            "false" | "0" => Some(false.into()),
            _ => None,
        },
        _ => None,
    }
}

/// A schema that allows only a fixed value, if it is a text.
fn fixed_schema(mut schema: Json, fixed: Option<&str>) -> Json {
    if let (Json::Object(words), Some(fixed)) = (&mut schema, fixed)
        && words.get("type").is_some_and(|kind| kind == "string")
        && !words.contains_key("contentEncoding")
        && !words.contains_key("format")
    {
        words.remove("enum");
        words.insert("const".to_owned(), fixed.into());
    }
    schema
}

/// A name that no member has.
fn unique(members: &[Member], name: String) -> String {
    let is_taken = |name: &str| members.iter().any(|member| member.part.name == name);
    if !is_taken(&name) {
        return name;
    }
    let mut numbered = (2..).map(|number| format!("{name}_{number}"));
    numbered.find(|name| !is_taken(name)).unwrap_or(name)
}

/// Adds a sequence, without nesting if it occurs once and not as an alternative, or holds nothing but a choice.
fn nest(particles: &mut Vec<Particle>, range: Range, mut inside: Vec<Particle>, is_choice: bool) {
    if let [Particle::Choice(own @ Range::ONCE, _)] = inside.as_mut_slice() {
        *own = range;
        particles.append(&mut inside);
        return;
    }
    if range == Range::ONCE && (!is_choice || inside.len() == 1) {
        particles.extend(inside);
    } else if !inside.is_empty() {
        particles.push(Particle::Sequence(range, inside));
    }
}

/// How often each member occurs, by the content model.
fn settle(content: &mut Content) {
    let counts = counts(&content.particles);
    for (at, member) in content.members.iter_mut().enumerate() {
        let Range { min, max } = counts.get(&at).copied().unwrap_or(Range { min: 0, max: 1 });
        let part = &mut member.part;
        part.occurs = match (min, max) {
            (_, 2..) => Occurrence::Repeatedly,
            (0, _) => Occurrence::Maybe,
            _ => Occurrence::Once,
        };
        member.required = min > 0 && (part.fixed.is_none() || part.occurs == Occurrence::Repeatedly);
        if part.occurs == Occurrence::Repeatedly {
            member.schema = list_schema(member.item.clone(), Range { min, max });
            if min == 0
                && let Json::Object(words) = &mut member.schema
            {
                words.insert("default".to_owned(), json!([]));
            }
        }
    }
}

/// The schema of a list with this number of items.
pub(super) fn list_schema(item: Json, range: Range) -> Json {
    let mut schema = Map::from_iter([("type".to_owned(), json!("array")), ("items".to_owned(), item)]);
    if range.min > 0 {
        schema.insert("minItems".to_owned(), range.min.into());
    }
    if range.max < u32::MAX {
        schema.insert("maxItems".to_owned(), range.max.into());
    }
    schema.into()
}

/// How often each part occurs in a sequence of particles.
fn counts(particles: &[Particle]) -> BTreeMap<usize, Range> {
    let mut all = BTreeMap::new();
    for particle in particles {
        for (at, range) in counts_of(particle) {
            let sum = all.entry(at).or_insert(Range { min: 0, max: 0 });
            sum.min = sum.min.saturating_add(range.min);
            sum.max = sum.max.saturating_add(range.max);
        }
    }
    all
}

fn counts_of(particle: &Particle) -> BTreeMap<usize, Range> {
    let times = |mut counts: BTreeMap<usize, Range>, range: &Range| {
        for count in counts.values_mut() {
            count.min = count.min.saturating_mul(range.min);
            count.max = count.max.saturating_mul(range.max);
        }
        counts
    };
    match particle {
        Particle::Wildcard => BTreeMap::new(),
        Particle::Part(at, range) => BTreeMap::from([(*at, *range)]),
        Particle::Sequence(range, inside) => times(counts(inside), range),
        Particle::Choice(range, inside) => {
            let mut all: BTreeMap<usize, Range> = BTreeMap::new();
            for alternative in inside {
                for (at, count) in counts_of(alternative) {
                    let least = all.entry(at).or_insert(count);
                    least.max = least.max.max(count.max);
                }
            }
            // What one alternative needs is not needed where another is chosen.
            if inside.len() > 1 {
                all.values_mut().for_each(|count| count.min = 0);
            }
            times(all, range)
        }
    }
}

/// What the schema of a record says of the choices and the optional sequences in it: schemas all of which hold. They name a member
/// several times; those of large choices are left out.
pub(super) fn choices(content: &Content) -> Vec<Json> {
    let all: usize = content.members.iter().map(|member| values_in(&member.schema)).sum();
    let mut left = MAX_ALTERNATIVES * all;
    let mut is_small = |particle: &&Particle| {
        let cost = cost_of_choice(content, particle);
        left.checked_sub(cost).inspect(|rest| left = *rest).is_some()
    };
    let small = content.particles.iter().filter(|particle| is_small(particle));
    small.filter_map(|particle| choice(content, particle)).collect()
}

/// The number of values in a schema.
fn values_in(schema: &Json) -> usize {
    1 + match schema {
        Json::Array(items) => items.iter().map(values_in).sum(),
        Json::Object(members) => members.values().map(values_in).sum(),
        _ => 0,
    }
}

/// At least the number of values in what [`choice`] makes of a particle.
fn cost_of_choice(content: &Content, particle: &Particle) -> usize {
    match particle {
        Particle::Choice(_, inside) => {
            let mut alternatives = Vec::new();
            flatten(inside, &mut alternatives);
            if alternatives.len() > MAX_ALTERNATIVES {
                return 0;
            }
            let members = alternatives.iter().flat_map(|alternative| counts_of(alternative).into_keys());
            let cost = |at: usize| content.members.get(at).map_or(0, |member| values_in(&member.schema));
            members.map(|at| alternatives.len() + cost(at)).sum()
        }
        Particle::Sequence(Range { min: 0, max: 1 }, inside) => counts(inside).len().pow(2),
        _ => 0,
    }
}

fn choice(content: &Content, particle: &Particle) -> Option<Json> {
    match particle {
        Particle::Choice(range, inside) => {
            let mut alternatives = Vec::new();
            flatten(inside, &mut alternatives);
            let alternatives: Vec<_> = alternatives.iter().map(|it| Alternative::new(content, it)).collect();
            if alternatives.len() > MAX_ALTERNATIVES || alternatives.iter().any(|it| it.all.is_empty()) {
                return None;
            }
            match range {
                Range { min, max: 1 } if alternatives.iter().all(|it| it.needed.len() == it.all.len()) => {
                    Some(one_of(&alternatives, *min == 0))
                }
                Range { min, max: 1 } => Some(at_most_one_of(&alternatives, *min == 0)),
                Range { min: 1.., .. } if alternatives.iter().all(|it| !it.needed.is_empty()) => {
                    Some(json!({ "anyOf": alternatives.iter().map(Alternative::at_least_one).collect::<Vec<_>>() }))
                }
                _ => None,
            }
        }
        // The required members of an optional sequence are required only if one of its members is given.
        Particle::Sequence(Range { min: 0, max: 1 }, inside) => {
            let Alternative { all, needed } = Alternative::with(content, &counts(inside));
            let names = |members: &[&Member], without: &str| -> Vec<Json> {
                let names = members.iter().map(|member| member.part.name.as_str());
                names.filter(|name| *name != without).map(Json::from).collect()
            };
            let needs: Map<_, _> = all
                .iter()
                .map(|member| (member.part.name.clone(), names(&needed, &member.part.name).into()))
                .filter(|(_, needs): &(String, Json)| needs.as_array().is_some_and(|needs| !needs.is_empty()))
                .collect();
            (!needs.is_empty()).then(|| json!({ "dependentRequired": needs }))
        }
        _ => None,
    }
}

/// The alternatives of a choice, with those of choices that are one of them.
fn flatten<'p>(inside: &'p [Particle], to: &mut Vec<&'p Particle>) {
    for particle in inside {
        match particle {
            Particle::Choice(Range::ONCE, inside) => flatten(inside, to),
            particle => to.push(particle),
        }
    }
}

/// The members of one alternative of a choice.
struct Alternative<'c> {
    all: Vec<&'c Member>,
    /// The required members.
    needed: Vec<&'c Member>,
}

impl<'c> Alternative<'c> {
    fn new(content: &'c Content, particle: &Particle) -> Alternative<'c> {
        Alternative::with(content, &counts_of(particle))
    }

    fn with(content: &'c Content, counts: &BTreeMap<usize, Range>) -> Alternative<'c> {
        let member = |at: &usize| content.members.get(*at);
        let needed = counts.iter().filter(|(_, range)| range.min > 0).filter_map(|(at, _)| member(at)).collect();
        Alternative { all: counts.keys().filter_map(member).collect(), needed }
    }

    fn required(&self) -> Vec<Json> {
        self.needed.iter().map(|member| Json::from(member.part.name.as_str())).collect()
    }

    fn schema(&self) -> Map<String, Json> {
        let schema = |member: &Member| match member.part.occurs {
            // The list has an item if this alternative is chosen.
            Occurrence::Repeatedly if self.needed.iter().any(|it| it.part.name == member.part.name) => {
                list_schema(member.item.clone(), Range { min: 1, max: u32::MAX })
            }
            _ => member.schema.clone(),
        };
        let properties = self.all.iter().map(|member| (member.part.name.clone(), schema(member)));
        let mut words = Map::from_iter([
            ("type".to_owned(), json!("object")),
            ("properties".to_owned(), properties.collect::<Map<_, _>>().into()),
        ]);
        if !self.needed.is_empty() {
            words.insert("required".to_owned(), self.required().into());
        }
        words
    }

    /// The alternative of a repeated choice: it occurs at least once.
    fn at_least_one(&self) -> Json {
        let items = self.needed.iter().map(|member| (member.part.name.clone(), json!({ "minItems": 1 })));
        json!({ "properties": items.collect::<Map<_, _>>(), "required": self.required() })
    }
}

/// Exactly one of several alternatives, each of which is known by the members that it needs; or none.
fn one_of(alternatives: &[Alternative<'_>], may_be_absent: bool) -> Json {
    let mut schemas: Vec<Json> = alternatives.iter().map(|it| it.schema().into()).collect();
    if may_be_absent {
        let all: Vec<_> = alternatives.iter().map(|it| json!({ "required": it.required() })).collect();
        schemas.push(json!({ "not": { "anyOf": all } }));
    }
    json!({ "oneOf": schemas })
}

/// Members of one of several alternatives, and none that only others have.
fn at_most_one_of(alternatives: &[Alternative<'_>], may_be_absent: bool) -> Json {
    let names = |it: &Alternative<'_>| -> Vec<String> { it.all.iter().map(|it| it.part.name.clone()).collect() };
    let all: Vec<Vec<String>> = alternatives.iter().map(names).collect();
    let absent = |own: &[String]| {
        let mut others: Vec<&String> = all.iter().flatten().filter(|name| !own.contains(name)).collect();
        others.sort_unstable();
        others.dedup();
        let others: Vec<_> = others.into_iter().map(|name| json!({ "required": [name] })).collect();
        json!({ "anyOf": others })
    };
    let mut schemas: Vec<Json> = Vec::with_capacity(alternatives.len() + 1);
    for (alternative, own) in alternatives.iter().zip(&all) {
        let mut words = alternative.schema();
        if all.iter().flatten().any(|name| !own.contains(name)) {
            words.insert("not".to_owned(), absent(own));
        }
        schemas.push(words.into());
    }
    if may_be_absent {
        schemas.push(json!({ "not": absent(&[]) }));
    }
    json!({ "anyOf": schemas })
}

/// How often an element, a group or a wildcard occurs.
fn range(element: ElementRef<'_>) -> Range {
    let number = |name| element.attribute(name).map(str::trim);
    let min = number("minOccurs").and_then(|text| text.parse().ok()).unwrap_or(1);
    let max = match number("maxOccurs") {
        Some("unbounded") => u32::MAX,
        Some(text) => text.parse().unwrap_or(u32::MAX),
        None => 1,
    };
    Range { min: min.min(max), max }
}

/// A member of any content, for the elements that a message may have beside those that it names.
pub(super) fn wildcard_member(members: &[Member]) -> Member {
    let ConvertedType { schema, content } = any();
    let element = QualifiedName { namespace: None, local: String::new() };
    let mut part = MessagePart::element(unique(members, "any".to_owned()), element, content);
    part.kind = PartKind::Wildcard;
    part.occurs = Occurrence::Maybe;
    let doc = "Further elements: a struct whose members they are, or XML.".to_owned();
    Member { part, item: schema.clone(), schema, required: false, doc }
}
