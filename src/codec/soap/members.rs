//! Reads the elements of members: parameters, fields of records and tuples, a method's result.

use std::borrow::Cow;

use super::SoapStyle;
use super::read::{ParamLayout, ShapeReader};
use crate::codec::tape::TapeNode;
use crate::codec::xml::tree::{Element, shape};
use crate::model::fault::Fault;
use crate::model::shape::{Field, Record, Shape, unescape};
use crate::model::text::abridge;

/// The child elements of an element, sorted by field; unknown children come last.
struct Sorted<'x, 'a>(Vec<(usize, Element<'x, 'a>)>);

impl<'x, 'a> Sorted<'x, 'a> {
    /// Matches local names only: SOAP::Lite and rpc style omit namespaces that the schema has.
    fn of(parent: Element<'x, 'a>, fields: &[Field]) -> Sorted<'x, 'a> {
        let (mut children, mut next, mut ordered) = (Vec::new(), 0, true);
        for child in parent.elements() {
            let name = child.name();
            let is = |at: &usize| fields.get(*at).is_some_and(|field| field.element == name);
            let near = [next, next + 1].into_iter().find(is);
            let at = near.or_else(|| fields.iter().position(|field| field.element == name)).unwrap_or(fields.len());
            ordered &= at >= next;
            next = at;
            children.push((at, child));
        }
        if !ordered {
            children.sort_by_key(|(at, _)| *at);
        }
        Sorted(children)
    }

    /// The children of one field.
    fn field(&self, at: usize) -> &[(usize, Element<'x, 'a>)] {
        let start = self.0.partition_point(|(other, _)| *other < at);
        let end = self.0.partition_point(|(other, _)| *other <= at);
        self.0.get(start..end).unwrap_or_default()
    }
}

impl<'a> ShapeReader<'_, '_, 'a> {
    /// Reads the parameters of a call, in any order.
    ///
    /// Parameters are taken by position if the method's parameters have no names, or if the elements have generated names:
    /// SOAP::Lite writes `c-gensym3`, PHP without a WSDL document writes `param0`.
    pub(super) fn params(&mut self, call: Element<'_, 'a>, fields: &[Field]) -> Result<ParamLayout, Fault> {
        self.meant(call)?;
        call.no_text()?;
        if call.elements().next().is_none() && !fields.iter().any(|field| field.required && field.may_be_absent()) {
            return Ok(ParamLayout::ByPosition);
        }
        if call.elements().next().is_some() && call.elements().enumerate().all(|(at, it)| is_nameless(it, at, fields)) {
            for (at, element) in call.elements().enumerate() {
                self.value(element, fields.get(at).map_or(&Shape::Any, |field| &field.shape), 0)?;
                self.tape.complete();
            }
            return Ok(ParamLayout::ByPosition);
        }
        if !fields.is_empty() && fields.iter().enumerate().all(|(at, field)| is_numbered(field, at)) {
            return self.numbered(call, fields);
        }
        self.named(call, fields)
    }

    fn named(&mut self, call: Element<'_, 'a>, fields: &[Field]) -> Result<ParamLayout, Fault> {
        let sorted = Sorted::of(call, fields);
        let opened = self.tape.open();
        let mut count = 0;
        for (at, field) in fields.iter().enumerate() {
            let found = sorted.field(at);
            if found.len() > 1 && !self.repeats(&field.shape, true) {
                return Err(twice("parameter", &field.name));
            }
            count += self.named_member(field, found, true, 0)?;
        }
        for (_, element) in sorted.field(fields.len()) {
            self.name(unescape(element.name()));
            self.value(*element, &Shape::Any, 0)?;
            count += 1;
        }
        self.tape.close_struct(opened, count)?;
        self.tape.complete();
        Ok(ParamLayout::ByName)
    }

    /// Reads parameters that have no names and are therefore called `arg1`, `arg2` and so on.
    fn numbered(&mut self, call: Element<'_, 'a>, fields: &[Field]) -> Result<ParamLayout, Fault> {
        let sorted = Sorted::of(call, fields);
        if let Some((_, unknown)) = sorted.field(fields.len()).first() {
            let name = unescape(unknown.name());
            let fault = Fault::no_such_parameter(&name, fields.iter().map(|field| field.name.as_str()));
            return Err(Fault { parameter: None, ..fault });
        }
        let last = (0..fields.len()).rev().find(|at| !sorted.field(*at).is_empty());
        for (at, field) in fields.iter().enumerate() {
            let found = sorted.field(at);
            if found.len() > 1 && !self.repeats(&field.shape, true) {
                return Err(twice("parameter", &field.name));
            }
            if !self.member(field, found, true, 0)? {
                if last.is_none_or(|last| last < at) {
                    // The method itself reports the first missing parameter.
                    break;
                }
                // Later parameters keep their positions.
                self.tape.push(TapeNode::Nil);
            }
            self.tape.complete();
        }
        Ok(ParamLayout::ByPosition)
    }

    /// Reads the result of a method from the elements of its response.
    pub(super) fn result(&mut self, found: &[Element<'_, 'a>], form: &Shape) -> Result<(), Fault> {
        match (form, found) {
            (Shape::List(item), found) if self.style == SoapStyle::Document => {
                self.items(found.iter().copied(), item, 0)?
            }
            (_, [only]) => self.value(*only, form, 0)?,
            (Shape::Nil | Shape::Optional(_), []) => self.tape.push(TapeNode::Nil),
            _ => return Err(shape("the response must hold exactly one result")),
        }
        self.tape.complete();
        Ok(())
    }

    pub(super) fn tuple(&mut self, element: Element<'_, 'a>, fields: &[Field], depth: usize) -> Result<(), Fault> {
        if self.text_instead(element)? {
            return Ok(());
        }
        // In SOAP's encoding the items of an array may have any name.
        if element.elements().all(|child| child.name() == "item" && fields.iter().all(|it| it.element != "item")) {
            let depth = self.deeper(depth)?;
            let opened = self.tape.open();
            let mut count = 0;
            for (at, item) in element.elements().enumerate() {
                self.value(item, fields.get(at).map_or(&Shape::Any, |field| &field.shape), depth)?;
                count += 1;
            }
            self.tape.close_array(opened, count);
            return Ok(());
        }
        let depth = self.deeper(depth)?;
        let sorted = Sorted::of(element, fields);
        if let Some((_, unknown)) = sorted.field(fields.len()).first() {
            let [inner, outer] = [*unknown, element].map(|element| abridge(element.name()));
            return Err(Fault::bad_params(format!("there is no `{inner}` in `{outer}`")));
        }
        let opened = self.tape.open();
        for (at, field) in fields.iter().enumerate() {
            let found = sorted.field(at);
            if found.len() > 1 && !self.repeats(&field.shape, false) {
                return Err(twice("element", &field.element));
            }
            if !self.member(field, found, false, depth)? {
                return Err(Fault::bad_params(format!("the element `{}` is missing", field.element)));
            }
        }
        self.tape.close_array(opened, fields.len());
        Ok(())
    }

    pub(super) fn record(&mut self, element: Element<'_, 'a>, record: &Record, depth: usize) -> Result<(), Fault> {
        if self.text_instead(element)? {
            return Ok(());
        }
        let depth = self.deeper(depth)?;
        let sorted = Sorted::of(element, &record.fields);
        let opened = self.tape.open();
        let mut count = 0;
        for (at, field) in record.fields.iter().enumerate() {
            count += self.named_member(field, sorted.field(at), false, depth)?;
        }
        for (_, unknown) in sorted.field(record.fields.len()) {
            match &record.further {
                Some(further) => self.further(*unknown, further, depth)?,
                None => {
                    self.name(unescape(unknown.name()));
                    self.value(*unknown, &Shape::Any, depth)?;
                }
            }
            count += 1;
        }
        self.tape.close_struct(opened, count)
    }

    /// Reads a member that the record does not name: an `entry` with a key and a value, or an element with the member's name.
    fn further(&mut self, element: Element<'_, 'a>, form: &Shape, depth: usize) -> Result<(), Fault> {
        let child = |name: &str| element.elements().find(|child| child.name() == name);
        // PHP sends Apache's Map type, whose entries are called `item`.
        let is_entry = matches!(element.name(), "entry" | "item");
        let Some(key) = child("key").filter(|_| is_entry) else {
            self.name(unescape(element.name()));
            return self.value(element, form, depth);
        };
        let key_text = key.text()?;
        match child("value") {
            _ if element.elements().count() > 2 => Err(shape("an `entry` must hold only a `key` and a `value`")),
            Some(value) => {
                self.name(key_text);
                self.value(value, form, depth)
            }
            None if matches!(form, Shape::Optional(_) | Shape::Nil | Shape::Any) => {
                self.name(key_text);
                self.tape.push(TapeNode::Nil);
                Ok(())
            }
            None => Err(Fault::bad_params(format!("the entry `{}` has no `value`", abridge(&key_text)))),
        }
    }

    /// Reads a member and its name, if it is present; returns how many were written. If a single member is given twice, both
    /// are written, and closing the struct reports them.
    fn named_member(
        &mut self,
        field: &Field,
        found: &[(usize, Element<'_, 'a>)],
        top: bool,
        depth: usize,
    ) -> Result<usize, Fault> {
        if found.len() > 1 && !self.repeats(&field.shape, top) {
            for (_, element) in found {
                self.name(Cow::Owned(field.name.clone()));
                self.value(*element, &field.shape, depth)?;
            }
            return Ok(found.len());
        }
        let found = if top && self.says_nothing(field, found) { &[] } else { found };
        let said_nothing = found.is_empty() && !(field.required && field.may_be_absent());
        if said_nothing {
            return Ok(0);
        }
        self.name(Cow::Owned(field.name.clone()));
        self.member(field, found, top, depth)?;
        Ok(1)
    }

    /// Reads a member's value; returns whether there is one.
    fn member(
        &mut self,
        field: &Field,
        found: &[(usize, Element<'_, 'a>)],
        top: bool,
        depth: usize,
    ) -> Result<bool, Fault> {
        match (&field.shape, found) {
            (Shape::List(item), found) if self.repeats(&field.shape, top) && !self.is_wrapped(found, item)? => {
                self.items(found.iter().map(|(_, element)| *element), item, depth)?;
            }
            (Shape::List(_), []) => self.items(std::iter::empty(), &Shape::Any, depth)?,
            (Shape::Nil | Shape::Optional(_), []) => self.tape.push(TapeNode::Nil),
            (form, [(_, element), ..]) => self.value(*element, form, depth)?,
            (_, []) => return Ok(false),
        }
        Ok(true)
    }

    /// Whether a parameter in rpc style is an empty element that means null. Such a message has a part for each parameter,
    /// and a part cannot have `xsi:nil` (WS-I BP 1.1, R2211), so PHP sends null as an empty element. It is null only if
    /// the empty text is not a valid value of the parameter's type.
    fn says_nothing(&self, field: &Field, found: &[(usize, Element<'_, 'a>)]) -> bool {
        let [(_, only)] = found else { return false };
        let form = match &field.shape {
            Shape::Optional(inner) => self.shapes.follow(inner),
            form => self.shapes.follow(form),
        };
        let never_empty = match form {
            Shape::Any | Shape::Nil | Shape::Text | Shape::Binary | Shape::List(_) => false,
            Shape::Choice(texts) => !texts.iter().any(String::is_empty),
            Shape::Record(record) => record.fields.iter().any(|field| !field.may_be_absent()),
            _ => true,
        };
        self.style == SoapStyle::Rpc && field.may_be_absent() && never_empty && only.is_empty()
    }

    /// Whether a list that should be a repeated element is one element with items inside, as in SOAP's encoding.
    fn is_wrapped(&self, found: &[(usize, Element<'_, 'a>)], item: &Shape) -> Result<bool, Fault> {
        let [(_, only)] = found else { return Ok(false) };
        let (only, marks) = self.meant(*only)?;
        let encoded = marks.array || marks.kind.is_some_and(|kind| kind.contains("Array"));
        let plain = !matches!(
            item,
            Shape::Any | Shape::Named(_) | Shape::Optional(_) | Shape::List(_) | Shape::Tuple(_) | Shape::Record(_)
        );
        let holds_items = || only.elements().next().is_some_and(|child| child.name() == "item");
        Ok(encoded || (plain && holds_items()))
    }

    /// Whether a member's element is repeated for the items of a list. `top` is true for a parameter or a result.
    fn repeats(&self, form: &Shape, top: bool) -> bool {
        matches!(form, Shape::List(_)) && !(top && self.style == SoapStyle::Rpc)
    }
}

/// Whether a parameter's name is one that a client has generated.
fn is_nameless(element: Element<'_, '_>, at: usize, fields: &[Field]) -> bool {
    let name = element.name();
    let number = |rest: &str| rest.parse::<usize>().ok();
    let made_up = name.strip_prefix("c-gensym").and_then(number).is_some()
        || name.strip_prefix("param").and_then(number) == Some(at);
    made_up && fields.iter().all(|field| field.element != name)
}

/// Whether a parameter is called `arg` and its position.
fn is_numbered(field: &Field, at: usize) -> bool {
    field.name.strip_prefix("arg").and_then(|number| number.parse().ok()) == Some(at + 1)
}

fn twice(what: &str, name: &str) -> Fault {
    Fault::bad_params(format!("the {what} `{}` is given twice", abridge(name)))
}
