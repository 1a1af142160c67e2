//! The fallbacks of a group: reading their tables, and what can be wrong with their values.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use toml::{Spanned, Value};

use super::aggregate::literal::{is_of_type, literal};
use super::problem::Problem;
use super::rule_target::RuleTarget;
use super::wording;
use crate::model::interface::Interface;
use crate::model::name_patterns::NamePatterns;
use crate::model::text::abridge;
use crate::model::units::Period;
use crate::service::fallback::{Fallback, Substitute};
use crate::service::target::TargetGroup;

/// What takes the place of the result of a safe method if the call fails as "unreachable", "late" or "busy". It has either a
/// `group` or a `value`.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct FallbackFile {
    /// The methods: names, or patterns in which `*` matches any characters. Only calls of safe ones have a fallback.
    #[schemars(length(min = 1))]
    methods: Vec<String>,
    /// The path of another group, which is called with the same arguments.
    #[schemars(with = "Option<String>")]
    group: Option<Spanned<String>>,
    /// The method of that group. Without it, the one of the same name.
    #[schemars(with = "Option<String>")]
    method: Option<Spanned<String>>,
    /// A fixed result.
    #[schemars(with = "serde_json::Value")]
    value: Option<Spanned<Value>>,
    /// For how long the group itself may take before the fallback is used. Without it, for a half of the time that the call
    /// has left if another group is called, and for 19/20 of it if the result is fixed.
    #[schemars(with = "Option<Period>", extend("minimum" = 1))]
    after: Option<Period>,
}

impl Default for FallbackFile {
    fn default() -> Self {
        FallbackFile { methods: vec!["*".to_owned()], group: None, method: None, value: None, after: None }
    }
}

/// A fixed result, to be compared with the type of the methods.
pub(super) struct FixedResult {
    methods: NamePatterns,
    value: Spanned<Json>,
}

/// The fallbacks of a group, the groups that they call, and their fixed results.
#[derive(Default)]
pub(super) struct ReadFallbacks {
    pub(super) fallbacks: Vec<Fallback>,
    pub(super) targets: Vec<RuleTarget>,
    pub(super) fixed: Vec<FixedResult>,
}

/// Reads the tables of fallbacks.
pub(super) fn read(files: &[Spanned<FallbackFile>], problems: &mut Vec<Problem>) -> ReadFallbacks {
    let mut read = ReadFallbacks::default();
    for file in files {
        let (span, file) = (file.span(), file.get_ref());
        let methods = NamePatterns(file.methods.clone());
        let substitute = match (&file.group, &file.value) {
            (Some(group), None) => {
                let target = TargetGroup::at(group.get_ref().as_str());
                let method = file.method.clone();
                let patterns = methods.clone();
                read.targets.push(RuleTarget {
                    group: group.clone(),
                    method,
                    methods: patterns,
                    needs_same_operations: true,
                    target: target.clone(),
                });
                Substitute::Call { target, method: file.method.as_ref().map(|method| method.get_ref().clone()) }
            }
            (None, Some(value)) => {
                if let Some(method) = &file.method {
                    problems
                        .push(Problem::at(method.span(), "`method` is that of a `group`, and this fallback has none"));
                }
                let Some((json, fixed)) = fixed(value, problems) else { continue };
                read.fixed.push(FixedResult { methods: methods.clone(), value: Spanned::new(value.span(), json) });
                Substitute::Value(fixed.into())
            }
            (group, _) => {
                let message = match group {
                    Some(_) => "a fallback has either a `group` or a `value`, not both",
                    None => "a fallback needs a `group` or a `value`",
                };
                problems
                    .push(Problem::at(span, message).hint("such as `{ methods = [\"get*\"], group = \"/other\" }`"));
                continue;
            }
        };
        read.fallbacks.push(Fallback { methods, after: file.after.map(|after| after.0), substitute });
    }
    read
}

/// A fixed result, as JSON and as a value.
fn fixed(value: &Spanned<Value>, problems: &mut Vec<Problem>) -> Option<(Json, crate::model::value::Value)> {
    let json = literal(value).map_err(|problem| problems.push(problem)).ok()?;
    match serde_json::from_value(json.clone()) {
        Ok(fixed) => Some((json, fixed)),
        Err(error) => {
            problems.push(Problem::at(value.span(), format!("the value cannot be a result: {error}")));
            None
        }
    }
}

/// The problem of each fixed result that is not of the type that one of its methods returns.
pub(super) fn check_fixed(fixed: &[FixedResult], interface: &Interface) -> Vec<Problem> {
    let wrong = fixed.iter().filter_map(|FixedResult { methods, value }| {
        let safe = interface.methods.iter().filter(|method| method.safe && methods.has(&method.name));
        safe.into_iter().find_map(|method| {
            let schema = method.result.as_value();
            let found = mismatch(interface, schema, value.get_ref(), MAX_DEPTH)?;
            Some(Problem::at(value.span(), format!("`{}` does not return this: {found}", abridge(&method.name))))
        })
    });
    wrong.collect()
}

/// How deep a value is compared with its type.
const MAX_DEPTH: usize = 32;

/// What of a value does not match a schema.
fn mismatch(interface: &Interface, schema: &Json, value: &Json, depth: usize) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    let schema = interface.resolve(schema);
    let types = match schema.get("type") {
        Some(Json::String(name)) => vec![name.as_str()],
        Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|name| is_of_type(name, value)) {
        let expected = types.iter().map(|name| wording::type_name(name)).collect::<Vec<_>>().join(" or ");
        return Some(format!("it should be {expected}, not {}", wording::json_type(value)));
    }
    let words = schema.get("enum").and_then(Json::as_array);
    if words.is_some_and(|words| !words.contains(value)) {
        return Some(format!("`{}` is not one of its values", abridge(&value.to_string())));
    }
    match value {
        Json::Array(items) => {
            let each = schema.get("items")?;
            let found =
                items.iter().enumerate().find_map(|(at, item)| Some((at, mismatch(interface, each, item, depth)?)));
            found.map(|(at, found)| format!("item {}: {found}", at + 1))
        }
        Json::Object(members) => {
            let required = schema.get("required").and_then(Json::as_array).into_iter().flatten();
            let mut missing = required.filter_map(Json::as_str).filter(|name| !members.contains_key(*name));
            if let Some(name) = missing.next() {
                return Some(format!("the member `{}` is missing", abridge(name)));
            }
            let properties = schema.get("properties").and_then(Json::as_object);
            members.iter().find_map(|(name, member)| {
                let own = properties.and_then(|properties| properties.get(name));
                let others = schema.get("additionalProperties");
                let name = abridge(name);
                match own.or(others) {
                    Some(Json::Bool(false)) => Some(format!("there is no member `{name}`")),
                    Some(schema) => {
                        mismatch(interface, schema, member, depth).map(|found| format!("`{name}`: {found}"))
                    }
                    None => None,
                }
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_compared_with_its_type_at_each_depth() {
        let defs = json!({ "Spin": {
            "type": "object",
            "properties": { "number": { "type": "string" }, "color": { "enum": ["RED", "BLACK"] } },
            "required": ["number"],
            "additionalProperties": false,
        } });
        let interface = Interface { defs: defs.as_object().unwrap().clone(), ..Interface::default() };
        let schema = json!({ "type": ["array", "null"], "items": { "$ref": "#/$defs/Spin" } });
        for (value, expected) in [
            (json!([]), None),
            (json!(null), None),
            (json!([{ "number": "7" }, { "number": "8", "color": "RED" }]), None),
            (json!(7), Some("it should be an array or null, not an integer")),
            (json!([7]), Some("item 1: it should be a table, not an integer")),
            (json!([{ "number": "7" }, {}]), Some("item 2: the member `number` is missing")),
            (json!([{ "number": 7 }]), Some("item 1: `number`: it should be a string, not an integer")),
            (json!([{ "number": "7", "color": "PINK" }]), Some("item 1: `color`: `\"PINK\"` is not one of its values")),
            (json!([{ "number": "7", "more": 1 }]), Some("item 1: there is no member `more`")),
        ] {
            assert_eq!(mismatch(&interface, &schema, &value, MAX_DEPTH).as_deref(), expected, "{value}");
        }
    }
}
