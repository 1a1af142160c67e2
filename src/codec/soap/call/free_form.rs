//! Writes values whose type the WSDL leaves open: `xs:anyType`, `xs:any`, Apache's `Map`, and the free-form type of croupier's
//! own documents.

use super::{BindingWriter, type_name};
use crate::codec::soap::binding::{QualifiedName, TEXT, TYPE, XSI_TYPE_ATTRIBUTE};
use crate::codec::soap::simple::atomic;
use crate::codec::xml::is_fragment;
use crate::model::fault::Fault;
use crate::model::shape::escape as escape_name;
use crate::model::value::Value;

impl BindingWriter<'_> {
    /// Writes the items of Apache's `Map`.
    pub(super) fn map(&mut self, members: &[(String, Value)]) -> Result<(), Fault> {
        for (key, value) in members {
            self.raw(&["<item><key xsi:type=\"xsd:string\">"]);
            self.characters(key)?;
            self.raw(&["</key><value"]);
            match (value, self.binding.type_of_name("Map")) {
                (Value::Struct(members), Some(at)) if type_name(value).is_none() => {
                    if let Some(name) = self.binding.typed(at).and_then(|typed| typed.name.as_ref()) {
                        self.raw(&[" xsi:type=\""]);
                        self.name(name);
                        self.raw(&["\""]);
                    }
                    self.raw(&[">"]);
                    self.map(members)?;
                }
                _ => self.any(value)?,
            }
            self.raw(&["</value></item>"]);
        }
        Ok(())
    }

    /// Writes the rest of a start tag with the value's type, and the value.
    pub(super) fn any(&mut self, value: &Value) -> Result<(), Fault> {
        if let Some(at) = type_name(value).and_then(|local| self.binding.type_of_name(local)) {
            let name = self.binding.typed(at).and_then(|typed| Some((typed.name.as_ref()?, &typed.structure)));
            if let Some((name, structure)) = name {
                self.raw(&[" xsi:type=\""]);
                self.name(name);
                self.raw(&["\""]);
                return self.structure(structure, value, true);
            }
        }
        let kind = match value {
            Value::Nil => {
                self.raw(&[" xsi:nil=\"true\">"]);
                return Ok(());
            }
            Value::Array(items) if self.encoded => {
                self.raw(&[" xsi:type=\"soapenc:Array\" soapenc:arrayType=\"xsd:anyType[", &items.len().to_string()]);
                self.raw(&["]\">"]);
                return items.iter().try_for_each(|item| self.free_member(None, "item", item, true));
            }
            // XML Schema has no built-in type for lists and structs, so they are written as plain elements.
            Value::Array(items) => {
                self.raw(&[">"]);
                return items.iter().try_for_each(|item| self.free_member(None, "item", item, true));
            }
            Value::Struct(members) => {
                self.free_attributes(members, false)?;
                self.raw(&[">"]);
                return self.free_members(None, members, true);
            }
            Value::Bool(_) => "boolean",
            Value::Int(number) if i32::try_from(*number).is_ok() => "int",
            Value::Int(_) => "long",
            Value::Number(value) if value.is_integer() => "integer",
            Value::Number(_) => "decimal",
            Value::Double(_) => "double",
            Value::Text(_) => "string",
            Value::Date(_) => "dateTime",
            Value::Binary(_) => "base64Binary",
        };
        self.raw(&[" xsi:type=\"xsd:", kind, "\">"]);
        let text = atomic(kind, value).map_err(|expected| self.unfit(&expected, value))?;
        self.characters(&text)
    }

    /// Writes the rest of a start tag, and a value as free-form content.
    pub(super) fn generic(
        &mut self,
        namespace: Option<usize>,
        mixed: bool,
        value: &Value,
        is_chosen: bool,
    ) -> Result<(), Fault> {
        if let Value::Struct(members) = value {
            self.free_attributes(members, is_chosen)?;
        }
        self.raw(&[">"]);
        self.free_content(namespace, mixed, value)
    }

    /// Writes a value as free-form content: a struct as elements, a text as XML if it is XML, and otherwise as text, if that is
    /// allowed.
    pub(super) fn free_content(&mut self, namespace: Option<usize>, mixed: bool, value: &Value) -> Result<(), Fault> {
        match value {
            Value::Struct(members) => self.free_members(namespace, members, false),
            Value::Array(items) => items.iter().try_for_each(|item| self.free_content(namespace, mixed, item)),
            Value::Text(text) if is_fragment(text) => {
                self.raw(&[text]);
                Ok(())
            }
            Value::Nil => Ok(()),
            Value::Text(text) if text.is_empty() => Ok(()),
            value if !mixed => Err(self.wrong("a struct or XML", value)),
            value => {
                let text = atomic("string", value).map_err(|expected| self.unfit(&expected, value))?;
                self.characters(&text)
            }
        }
    }

    /// Writes the attributes of a free-form struct: its members whose names begin with `@`. With `is_chosen`, `@type` is none.
    fn free_attributes(&mut self, members: &[(String, Value)], is_chosen: bool) -> Result<(), Fault> {
        for (name, value) in members {
            if name == XSI_TYPE_ATTRIBUTE || (is_chosen && name == TYPE) || matches!(value, Value::Nil) {
                continue;
            }
            match (name.strip_prefix('@'), value) {
                (Some(local), Value::Array(items)) if items.len() < 2 => {
                    items.first().map_or(Ok(()), |first| self.plain_attribute(local, first))?;
                }
                (Some(local), value) => self.plain_attribute(local, value)?,
                (None, _) => {}
            }
        }
        Ok(())
    }

    /// Writes the elements and the text of a free-form struct. With `typed`, values carry their types.
    fn free_members(
        &mut self,
        namespace: Option<usize>,
        members: &[(String, Value)],
        typed: bool,
    ) -> Result<(), Fault> {
        for (name, value) in members.iter().filter(|(name, _)| !name.starts_with('@')) {
            if name == TEXT {
                let text = atomic("string", value).map_err(|expected| self.unfit(&expected, value))?;
                self.characters(&text)?;
            } else {
                self.free_member(namespace, name, value, typed)?;
            }
        }
        Ok(())
    }

    /// Writes a member of a free-form struct: an element, or one for each item of a list.
    pub(super) fn free_member(
        &mut self,
        namespace: Option<usize>,
        name: &str,
        value: &Value,
        typed: bool,
    ) -> Result<(), Fault> {
        let element = QualifiedName { namespace, local: escape_name(name).into_owned() };
        let items = match value {
            Value::Array(items) if !(self.encoded && typed) => items.as_slice(),
            value => std::slice::from_ref(value),
        };
        for item in items {
            self.begin(&element);
            if typed || self.names_known_type(item) {
                self.any(item)?;
            } else if matches!(item, Value::Nil) {
                self.raw(&[" xsi:nil=\"true\">"]);
            } else {
                if let Value::Struct(members) = item {
                    self.free_attributes(members, false)?;
                }
                self.raw(&[">"]);
                match item {
                    // Only the wildcard itself may be given as XML: inside, a text is a text.
                    Value::Text(text) => self.characters(text)?,
                    item => self.free_content(namespace, true, item)?,
                }
            }
            self.end(&element);
        }
        Ok(())
    }

    /// Whether a struct names a type of the WSDL, as in responses. A text with a prefix is an attribute, as in a schema.
    fn names_known_type(&self, value: &Value) -> bool {
        let Value::Struct(members) = value else { return false };
        members.iter().any(|(name, value)| match value {
            Value::Text(local) if name == TYPE => self.binding.type_of_name(local).is_some(),
            _ => false,
        })
    }

    /// Writes the element that names a value's type, as in croupier's own WSDL.
    pub(super) fn free(&mut self, namespace: Option<usize>, value: &Value) -> Result<(), Fault> {
        let word = |local: &str| QualifiedName { namespace, local: local.to_owned() };
        let (name, kind) = match value {
            Value::Nil => ("nil", "string"),
            Value::Bool(_) => ("boolean", "boolean"),
            Value::Int(_) => ("int", "integer"),
            Value::Number(number) if number.is_integer() => ("integer", "integer"),
            Value::Number(_) => ("decimal", "decimal"),
            Value::Double(_) => ("double", "double"),
            Value::Text(_) => ("string", "string"),
            Value::Date(_) => ("dateTime", "string"),
            Value::Binary(_) => ("base64", "string"),
            Value::Array(_) => ("array", "string"),
            Value::Struct(_) => ("struct", "string"),
        };
        let inner = word(name);
        self.open(&inner);
        match value {
            Value::Array(items) => {
                let item = word("item");
                for value in items {
                    self.open(&item);
                    self.free(namespace, value)?;
                    self.end(&item);
                }
            }
            Value::Struct(members) => {
                let [member, name, inside] = ["member", "name", "value"].map(word);
                for (key, value) in members {
                    self.open(&member);
                    self.open(&name);
                    self.characters(key)?;
                    self.end(&name);
                    self.open(&inside);
                    self.free(namespace, value)?;
                    self.end(&inside);
                    self.end(&member);
                }
            }
            Value::Nil => {}
            value => {
                let text = atomic(kind, value).map_err(|expected| self.unfit(&expected, value))?;
                self.characters(&text)?;
            }
        }
        self.end(&inner);
        Ok(())
    }
}
