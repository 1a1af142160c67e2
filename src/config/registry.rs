//! The kinds of services: makes a service from the word after `service =` and its options.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, json_schema};
use serde::de::DeserializeOwned;
use serde::de::value::UnitDeserializer;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error, ValueDeserializer};

use super::check::Check;
use super::problem::Problem;
use super::schema;
use super::schema::SchemaNode;
use super::variables::Environment;
use super::wording;
use crate::demo::diagnostics::diagnostics;
use crate::demo::wheel::WheelOptions;
use crate::model::fault::BoxError;
use crate::model::option_error::{Key, OptionError};
use crate::model::text::{abridge, nearest};
use crate::service::RpcService;
use crate::service::local::RegistrationError;

/// The kinds of services that a configuration can name, each with a function that makes a service from its options.
///
/// ```
/// use croupier::config::{Config, Registry};
/// use croupier::service::local::{Local, RegistrationError};
/// use schemars::JsonSchema;
/// use serde::Deserialize;
///
/// /// The options of a die.
/// #[derive(Deserialize, JsonSchema)]
/// struct Dice {
///     /// How many sides it has.
///     sides: u32,
/// }
///
/// fn dice(options: Dice) -> Result<Local, RegistrationError> {
///     Local::new("Dice", options).method("sides", |dice: &Dice, (): ()| dice.sides).build()
/// }
///
/// let registry = Registry::standard().with("dice", dice);
/// let text = r#"
///     [group."/dice"]
///     service = "dice"
///     options = { sides = 20 }
/// "#;
/// assert_eq!(Config::parse("dice.toml", text, &registry)?.groups[0].kind, "dice");
///
/// let errors = Config::parse("dice.toml", &text.replace("sides", "side"), &registry).unwrap_err();
/// assert_eq!(errors.problems()[0].hint.as_deref(), Some("did you mean `sides`?"));
/// # Ok::<(), croupier::config::ConfigErrors>(())
/// ```
pub struct Registry {
    kinds: BTreeMap<String, ServiceKind>,
}

struct ServiceKind {
    schema: Schema,
    make: ServiceFactory,
}

type ServiceFactory = Box<dyn Fn(Spanned<DeValue<'_>>) -> Result<Arc<dyn RpcService>, ServiceError> + Send + Sync>;

/// Why a service was not made.
enum ServiceError {
    /// The options could not be deserialized into their type.
    Deserialize(Error),
    /// The function of the service rejected them.
    Options(OptionErrors),
}

/// Why a function in a [`Registry`] made no service: errors of single options, or another reason.
///
/// The function returns a `Result` whose error is `Into` this type: one or many [`OptionError`]s, a text, a boxed error, or
/// an own type with a [`From`] implementation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionErrors(pub Vec<OptionError>);

impl Registry {
    /// A registry without kinds.
    pub fn empty() -> Registry {
        Registry { kinds: BTreeMap::new() }
    }

    /// The kinds that ship with this crate: `wheel` and `diagnostics`.
    pub fn standard() -> Registry {
        let wheel =
            |options: WheelOptions| options.build().map_err(OptionErrors)?.service().map_err(OptionErrors::from);
        Registry::empty().with("wheel", wheel).with("diagnostics", |(): ()| diagnostics())
    }

    /// Adds a kind, or replaces the kind of this name. Options are checked against the type `O` before `make` is called; a
    /// service without options takes `()`.
    pub fn with<O, S, E>(
        mut self,
        kind: impl Into<String>,
        make: impl Fn(O) -> Result<S, E> + Send + Sync + 'static,
    ) -> Registry
    where
        O: DeserializeOwned + JsonSchema,
        S: RpcService,
        E: Into<OptionErrors>,
    {
        let schema = schema::root_schema::<O>();
        let unit = schema.get("type").is_some_and(|name| name == "null");
        let make = move |options: Spanned<DeValue<'_>>| -> Result<Arc<dyn RpcService>, ServiceError> {
            let options = if unit {
                O::deserialize(UnitDeserializer::new())
            } else {
                O::deserialize(ValueDeserializer::from(options))
            };
            let service = make(options.map_err(ServiceError::Deserialize)?)
                .map_err(|error| ServiceError::Options(error.into()))?;
            Ok(Arc::new(service))
        };
        let schema = if unit { json_schema!({ "type": "object", "additionalProperties": false }) } else { schema };
        self.kinds.insert(kind.into(), ServiceKind { schema, make: Box::new(make) });
        self
    }

    /// The words allowed after `service =`, in alphabetical order.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.kinds.keys().map(String::as_str)
    }

    /// The kinds with the schemas of their options.
    pub(super) fn schemas(&self) -> impl Iterator<Item = (&str, &Schema)> {
        self.kinds.iter().map(|(name, kind)| (name.as_str(), &kind.schema))
    }

    /// Checks the options of a service of this kind, and puts the values of environment variables into them.
    pub(super) fn check<'k, 't>(
        &'k self,
        kind: &Spanned<String>,
        options: Option<Spanned<DeValue<'t>>>,
        environment: &'t Environment,
    ) -> Result<CheckedOptions<'k, 't>, Vec<Problem>> {
        let known = self.kinds.get(kind.get_ref()).ok_or_else(|| vec![self.unknown(kind)])?;
        let mut options = options.unwrap_or_else(|| Spanned::new(kind.span(), DeValue::Table(DeTable::new())));
        let mut check = Check::starting_at([Key::from(OPTIONS)], environment);
        check.value(&mut options, SchemaNode::root(&known.schema));
        if check.problems.is_empty() { Ok(CheckedOptions { known, options }) } else { Err(check.problems) }
    }

    fn unknown(&self, kind: &Spanned<String>) -> Problem {
        let known: Vec<&str> = self.kinds().collect();
        let problem = Problem::at(kind.span(), format!("unknown service `{}`", abridge(kind.get_ref())));
        match nearest(kind.get_ref(), known.iter().copied()) {
            Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
            None if known.is_empty() => problem,
            None => problem.hint(format!("it is {}", wording::either(&known))),
        }
    }
}

/// Options that the schema of their service allows.
pub(super) struct CheckedOptions<'k, 't> {
    known: &'k ServiceKind,
    pub(super) options: Spanned<DeValue<'t>>,
}

impl CheckedOptions<'_, '_> {
    /// Makes the service.
    pub(super) fn make(self, kind: &Spanned<String>) -> Result<Arc<dyn RpcService>, Vec<Problem>> {
        let options = self.options;
        (self.known.make)(options.clone()).map_err(|error| match error {
            ServiceError::Deserialize(error) => {
                vec![Problem::at(error.span().unwrap_or(options.span()), format!("`{OPTIONS}`: {}", error.message()))]
            }
            ServiceError::Options(OptionErrors(errors)) if errors.is_empty() => {
                vec![Problem::at(kind.span(), format!("the service `{}` could not be made", abridge(kind.get_ref())))]
            }
            ServiceError::Options(OptionErrors(errors)) => {
                errors.into_iter().map(|error| option_problem(error, &options)).collect()
            }
        })
    }
}

/// The key under which a group has the options of its service.
pub(super) const OPTIONS: &str = "options";

/// The problem of an error of an option, at its place in the file.
fn option_problem(error: OptionError, options: &Spanned<DeValue<'_>>) -> Problem {
    let message = match error.key.as_slice() {
        [] => error.message,
        key => {
            let path: Vec<Key> = [Key::from(OPTIONS)].iter().chain(key).cloned().collect();
            format!("`{}` {}", wording::path(&path), error.message)
        }
    };
    Problem { hint: error.hint, ..Problem::at(span_of(&error.key, options), message) }
}

/// The span of the value of a key, or of its innermost table or array that exists.
fn span_of(key: &[Key], value: &Spanned<DeValue<'_>>) -> Range<usize> {
    let inner = match (key.split_first(), value.get_ref()) {
        (Some((Key::Name(name), rest)), DeValue::Table(table)) => table.get(name.as_str()).map(|inner| (rest, inner)),
        (Some((Key::Index(index), rest)), DeValue::Array(array)) => array.get(*index).map(|inner| (rest, inner)),
        _ => None,
    };
    inner.map_or_else(|| value.span(), |(rest, inner)| span_of(rest, inner))
}

impl From<Vec<OptionError>> for OptionErrors {
    fn from(errors: Vec<OptionError>) -> Self {
        OptionErrors(errors)
    }
}

impl From<OptionError> for OptionErrors {
    fn from(error: OptionError) -> Self {
        OptionErrors(vec![error])
    }
}

impl From<String> for OptionErrors {
    fn from(message: String) -> Self {
        OptionError::new([], message).into()
    }
}

impl From<&str> for OptionErrors {
    fn from(message: &str) -> Self {
        message.to_owned().into()
    }
}

impl From<BoxError> for OptionErrors {
    fn from(error: BoxError) -> Self {
        error.to_string().into()
    }
}

impl From<RegistrationError> for OptionErrors {
    fn from(error: RegistrationError) -> Self {
        error.to_string().into()
    }
}

impl From<Infallible> for OptionErrors {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
