//! Types of parameters and results, compiled from JSON Schema, for formats that are not self-describing.
//!
//! XML says neither what type a text has nor whether one element is a value or a list with one item. SOAP messages are
//! therefore read and written by a [`Shape`]. Messages and generated WSDL documents follow this mapping:
//!
//! | shape | content of its element | XML Schema |
//! |---|---|---|
//! | [`Nil`](Shape::Nil) | nothing, with `xsi:nil="true"` | an empty type, `nillable` |
//! | [`Bool`](Shape::Bool) | `true` or `false` | `xs:boolean` |
//! | [`Int`](Shape::Int) | digits | [`Width::xsd`] |
//! | [`Double`](Shape::Double) | a number, `INF`, `-INF` or `NaN` | `xs:double` |
//! | [`Text`](Shape::Text) | the text | `xs:string` |
//! | [`Choice`](Shape::Choice) | one of the texts | `xs:string` with an enumeration |
//! | [`Date`](Shape::Date) | `1998-07-17T14:08:55`, fraction and zone optional | `xs:dateTime` |
//! | [`Binary`](Shape::Binary) | base64 | `xs:base64Binary` |
//! | [`Optional`](Shape::Optional) | as the shape inside, or nothing, with `xsi:nil="true"` | `nillable` |
//! | [`List`](Shape::List) | an element `item` for each item | `item`, `minOccurs="0" maxOccurs="unbounded"` |
//! | [`Tuple`](Shape::Tuple) | an element for each field, in order, named by [`Field::element`] | a sequence |
//! | [`Record`](Shape::Record) | an element for each member, named by [`Field::element`] | a sequence |
//! | a record's [`further`](Record::further) members | behind the others, `<entry><key/><value/></entry>` for each | `entry`, `minOccurs="0" maxOccurs="unbounded"` |
//! | [`Any`](Shape::Any) | one element that names the type, see below | a sequence of those elements, `minOccurs="0"` |
//! | [`Named`](Shape::Named) | as the definition's shape | a type of that name |
//!
//! **Members.** A parameter, a field of a record or a tuple, and a method's `result` are members. The element of a member
//! - is repeated, once for each item, where the member's shape is a `List` and not the name of one
//!   (`minOccurs="0" maxOccurs="unbounded"`),
//! - may be left out where [`Field::may_be_absent`] (`minOccurs="0"`), and is left out for an `Optional` or `Nil` that is
//!   nil.
//!
//! In all other positions (an item, a map's value, an item of a member's list) there is exactly one element for a value.
//! In rpc style (a request whose query holds `style=rpc`) parameters and `result` are not members in this sense: a list
//! among them is one element with `item`s inside, and an optional value that is nil has `xsi:nil`.
//!
//! **Messages.** A call is an element [`MethodShape::element`] in the target namespace that contains the parameters; a
//! response is an element [`MethodShape::response_element`] that contains `result`. All elements are in the target
//! namespace, except that in rpc style parameters, `result` and the elements inside them are in none. The response of a method whose result is
//! `Nil` is empty.
//!
//! **Any.** The content is one of `<string>`, `<boolean>`, `<int>` (`xs:long`), `<integer>` (`xs:integer`, beyond 64
//! bits), `<double>`, `<decimal>` (`xs:decimal`, more digits than a double holds), `<dateTime>`, `<base64>`, `<nil/>`, `<array>` with an `<item>` for each item, whose content is
//! again an `Any`, and `<struct>` with `<member><name/><value/></member>` for each member, where `value` is an `Any`. All
//! of these are in the target namespace.
//!
//! **Names** that XML does not allow are written by [`escape`].

mod compile;
mod name;
#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::model::interface::Interface;
pub use name::{escape, unescape};

/// The type of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shape {
    /// A value of any type, or of a type for which there is no shape.
    Any,
    /// Nothing.
    Nil,
    /// A truth value.
    Bool,
    /// An integer.
    Int(Width),
    /// A floating-point number.
    Double,
    /// Text.
    Text,
    /// One of these texts.
    Choice(Vec<String>),
    /// A date and time.
    Date,
    /// Bytes.
    Binary,
    /// A value or nothing. Never directly within another `Optional`, nor around `Any` or `Nil`.
    Optional(Box<Shape>),
    /// Values of one shape.
    List(Box<Shape>),
    /// Values of a fixed number, each with its own shape and name.
    Tuple(Vec<Field>),
    /// Named values. A map is a record without fields.
    Record(Record),
    /// The shape of the definition with this index in [`Shapes::definitions`], which is a `Choice`, `List`, `Tuple` or
    /// `Record`. Recursive types end here.
    Named(usize),
}

/// The range of an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// 32 bits, signed.
    Int,
    /// 32 bits, unsigned.
    UnsignedInt,
    /// 64 bits, signed.
    Long,
    /// 64 bits, unsigned.
    UnsignedLong,
    /// Any number of bits.
    Unbounded,
}

/// Named values: members that the schema names, and members of any other name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// The members that the schema names, in order.
    pub fields: Vec<Field>,
    /// The shape of all other members; `None` if there may be none.
    pub further: Option<Box<Shape>>,
}

/// A member of a record or a tuple, or a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The name.
    pub name: String,
    /// The name of its XML element, [escaped](escape).
    pub element: String,
    /// The documentation; may be empty.
    pub doc: String,
    /// The type. A list that may be absent, and then means something other than an empty list, is an
    /// [`Optional`](Shape::Optional) list.
    pub shape: Shape,
    /// Whether it must be present.
    pub required: bool,
    /// The value that is used if it is absent, if that is known.
    pub default: Option<Value>,
}

/// The types of a method's parameters and result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodShape {
    /// The name of the method.
    pub name: String,
    /// The name of the XML element that contains the parameters.
    pub element: String,
    /// The name of the XML element that contains the result: `element`, followed by `Response`, and by as many `_` as make it
    /// different from the names of all methods.
    pub response_element: String,
    /// The parameters in positional order.
    pub params: Vec<Field>,
    /// The type of the result.
    pub result: Shape,
    /// Whether the only parameter is the list of all arguments (see
    /// [`Param::free_arguments`](crate::model::interface::Param::free_arguments)).
    pub has_free_arguments: bool,
}

/// A type that has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The name.
    pub name: String,
    /// The name of its XML element, [escaped](escape).
    pub element: String,
    /// The documentation; may be empty.
    pub doc: String,
    /// The type, which is never [`Shape::Named`].
    pub shape: Shape,
}

/// The types of the parameters and results of all methods of an interface.
///
/// ```
/// use croupier::model::shape::{Shape, Shapes};
/// # use croupier::demo::wheel::{Chance, Family, WheelTable};
/// # use croupier::service::RpcService;
/// # let wheel = WheelTable::new(Family::American, Chance::seeded(7)).service().unwrap();
/// let shapes = Shapes::of(&wheel.interface());
/// let spin = shapes.method("spin").unwrap();
/// let Shape::Tuple(fields) = shapes.follow(&spin.result) else { panic!() };
/// assert_eq!(fields[1].name, "color");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shapes {
    methods: Vec<MethodShape>,
    definitions: Vec<Definition>,
}

impl Shapes {
    /// Compiles the schemas of an interface. A type without a schema, or with keywords that have no shape, is
    /// [`Shape::Any`].
    pub fn of(interface: &Interface) -> Shapes {
        compile::shapes(interface)
    }

    /// All methods, in the order of the interface.
    pub fn methods(&self) -> &[MethodShape] {
        &self.methods
    }

    /// The method with this name.
    pub fn method(&self, name: &str) -> Option<&MethodShape> {
        self.methods.iter().find(|method| method.name == name)
    }

    /// The method whose parameters are in an element with this name.
    pub fn method_of_element(&self, element: &str) -> Option<&MethodShape> {
        self.methods.iter().find(|method| method.element == element)
    }

    /// The named types, which [`Shape::Named`] refers to by their index.
    pub fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    /// The shape that a [`Shape::Named`] refers to; any other shape is returned unchanged.
    pub fn follow<'s>(&'s self, shape: &'s Shape) -> &'s Shape {
        match shape {
            Shape::Named(index) => self.definitions.get(*index).map_or(&Shape::Any, |definition| &definition.shape),
            shape => shape,
        }
    }
}

impl Shape {
    /// Whether the value may be nil, so that its element is `nillable`.
    pub fn may_be_nil(&self) -> bool {
        matches!(self, Shape::Nil | Shape::Optional(_))
    }
}

impl Field {
    /// Whether its element may be absent, which means nil, an empty list, or the default.
    pub fn may_be_absent(&self) -> bool {
        !self.required || matches!(self.shape, Shape::Nil | Shape::Optional(_) | Shape::List(_))
    }
}

impl Width {
    /// The name of the type in XML Schema.
    pub fn xsd(self) -> &'static str {
        match self {
            Width::Int => "int",
            Width::UnsignedInt => "unsignedInt",
            Width::Long => "long",
            Width::UnsignedLong => "unsignedLong",
            Width::Unbounded => "integer",
        }
    }
}
