//! A method of an aggregate: its calls and their arguments, checked against the called methods.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value as Json;
use toml::{Spanned, Value};

use super::file::{CallFile, MethodFile, OnErrorFile, ParamFile};
use super::literal::{ArgumentSource, argument_source, is_name, literal, raw, type_mismatch};
use super::{AggregateResolver, CalledGroup};
use crate::config::problem::Problem;
use crate::config::resolved::no_method;
use crate::model::interface::{Interface, Method};
use crate::model::text::{abridge, nearest};
use crate::service::aggregate::{Composed, ERRORS, Given, OnError, Own, Part};
use crate::service::local::unfit;

/// How many calls a method may make.
const MAX_CALLS: usize = 64;

/// The settings that a method inherits from its aggregate.
#[derive(Clone, Copy)]
pub(super) struct Inherited {
    pub(super) on_error: OnErrorFile,
    pub(super) deadline: Duration,
    pub(super) memory: usize,
}

/// Makes a method from the parts of its table that have no problems, and reports the others.
pub(super) fn method(
    resolver: &mut AggregateResolver<'_>,
    name: &Spanned<String>,
    file: MethodFile,
    inherited: Inherited,
) -> Composed {
    if let Some(reason) = unfit(name.get_ref()) {
        let message = format!("the method name `{}` {reason}", abridge(name.get_ref()));
        resolver.problems.push(Problem::at(name.span(), message));
    }
    let on_error = OnError::from(file.on_error.unwrap_or(inherited.on_error));
    let deadline = file.deadline.map_or(inherited.deadline, |deadline| deadline.0);
    let mut params = Params::read(file.params, resolver.problems);
    let mut calls: Vec<_> = file.calls.into_iter().collect();
    calls.sort_by_key(|(name, _)| name.span().start);
    let named = abridge(name.get_ref());
    if calls.is_empty() {
        resolver.problems.push(Problem::at(name.span(), format!("the method `{named}` calls nothing")));
    }
    if let Some((first, _)) = calls.get(MAX_CALLS) {
        let message = format!("the method `{named}` may make at most {MAX_CALLS} calls, not {}", calls.len());
        resolver.problems.push(Problem::at(first.span(), message));
    }
    let inherited = Inherited { deadline, ..inherited };
    let parts = calls.into_iter().filter_map(|(name, file)| {
        resolver.problems.extend(check_call_name(&name, on_error));
        part(resolver, &name, file, inherited, &mut params)
    });
    let calls = parts.collect();
    resolver.problems.extend(params.unused());
    Composed { name: name.get_ref().clone(), doc: file.doc, params: params.own, calls, on_error }
}

fn check_call_name(name: &Spanned<String>, on_error: OnError) -> Option<Problem> {
    let text = name.get_ref().as_str();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let at = |message: String| Some(Problem::at(name.span(), message));
    if text.is_empty() || text.len() > 64 || !text.chars().all(fits) {
        return at(format!("`{}` is not a valid name of a call: it has letters, digits, `_` and `-`", abridge(text)));
    }
    if text == ERRORS && on_error == OnError::Partial {
        return at(format!("no call may be named `{ERRORS}` if `on-error` is `partial`: that member holds the faults"));
    }
    None
}

/// Makes one call; `None` if the called group does not exist or is broken.
fn part(
    resolver: &mut AggregateResolver<'_>,
    name: &Spanned<String>,
    file: CallFile,
    inherited: Inherited,
    params: &mut Params,
) -> Option<Part> {
    let called = resolver.called_group(&file.group);
    let interface = called.as_ref().and_then(|called| called.interface.as_deref());
    let known = interface.and_then(|interface| Some((interface, interface.method(file.method.get_ref())?)));
    if let (Some(interface), None) = (interface, known) {
        resolver.problems.push(no_method(interface, &file.method, &file.group));
    }
    if file.method.get_ref().starts_with('_') && interface.is_none() {
        let message = format!("`{}` is private: it begins with `_`", abridge(file.method.get_ref()));
        resolver.problems.push(Problem::at(file.method.span(), message));
    }
    if let Some((_, method)) = known {
        let missing = method.params.iter().filter(|param| param.required);
        let missing = missing.filter(|param| !file.args.contains_key(param.name.as_str()));
        resolver.problems.extend(missing.map(|param| {
            let message = format!("the parameter `{}` of `{}` is missing", abridge(&param.name), abridge(&method.name));
            Problem::at(name.span(), message)
                .hint(format!("such as `args = {{ {0} = \"${0}\" }}`", abridge(&param.name)))
        }));
    }
    let mut args: Vec<_> = file.args.into_iter().collect();
    args.sort_by_key(|(name, _)| name.span().start);
    let args = args.into_iter().filter_map(|(name, value)| {
        let given = argument(&name, &value, known, params);
        given.map_err(|problem| resolver.problems.push(problem)).ok().map(|given| (name.into_inner(), given))
    });
    let args = args.collect();
    let CalledGroup { path, service, .. } = called?;
    let deadline = file.deadline.map_or(inherited.deadline, |deadline| deadline.0);
    let (name, method) = (name.get_ref().clone(), file.method.into_inner());
    Some(Part { name, path, service, method, args, deadline, room: inherited.memory })
}

/// The value that is passed for a parameter.
fn argument(
    name: &Spanned<String>,
    value: &Spanned<Value>,
    known: Option<(&Interface, &Method)>,
    params: &mut Params,
) -> Result<Given, Problem> {
    let param = known.and_then(|(_, method)| method.params.iter().find(|param| param.name == *name.get_ref()));
    if let (Some((_, method)), None) = (known, param) {
        let message = format!("`{}` has no parameter `{}`", abridge(&method.name), abridge(name.get_ref()));
        let problem = Problem::at(name.span(), message);
        let near = nearest(name.get_ref(), method.params.iter().map(|param| param.name.as_str()));
        return Err(match (near, method.params.is_empty()) {
            (Some(near), _) => problem.hint(format!("did you mean `{near}`?")),
            (None, true) => problem.hint("it has no parameters"),
            (None, false) => problem,
        });
    }
    match argument_source(value)? {
        ArgumentSource::Param(own) => Ok(Given::Param(params.index_of(&own))),
        ArgumentSource::Literal(json) => {
            let mismatch = known.zip(param).and_then(|((interface, _), param)| type_mismatch(interface, param, &json));
            if let Some(message) = mismatch {
                return Err(Problem::at(value.span(), message));
            }
            raw_value(&json, value).map(Given::Literal)
        }
    }
}

fn raw_value(json: &Json, value: &Spanned<Value>) -> Result<Box<serde_json::value::RawValue>, Problem> {
    raw(json).ok_or_else(|| Problem::at(value.span(), "the value has no form in JSON"))
}

/// The own parameters of a method, in order.
struct Params {
    own: Vec<Own>,
    /// Those with a table in the file, and whether a call uses them.
    declared: Vec<(Spanned<String>, bool)>,
}

impl Params {
    fn read(file: BTreeMap<Spanned<String>, ParamFile>, problems: &mut Vec<Problem>) -> Params {
        let mut file: Vec<_> = file.into_iter().collect();
        file.sort_by_key(|(name, _)| name.span().start);
        let mut params = Params { own: Vec::new(), declared: Vec::new() };
        for (name, ParamFile { doc, default }) in file {
            if !is_name(name.get_ref()) {
                let message = format!(
                    "`{}` is not a valid name of a parameter: it has letters, digits and `_`",
                    abridge(name.get_ref())
                );
                problems.push(Problem::at(name.span(), message));
            }
            let default = default.map(|value| raw_value(&literal(&value)?, &value)).transpose();
            let default = default.map_err(|problem| problems.push(problem)).ok().flatten();
            params.own.push(Own { name: name.get_ref().clone(), doc, default });
            params.declared.push((name, false));
        }
        params
    }

    /// The index of a parameter that a call uses, which is added if it is new.
    fn index_of(&mut self, name: &str) -> usize {
        if let Some((_, used)) = self.declared.iter_mut().find(|(declared, _)| declared.get_ref() == name) {
            *used = true;
        }
        self.own.iter().position(|own| own.name == name).unwrap_or_else(|| {
            self.own.push(Own { name: name.to_owned(), doc: String::new(), default: None });
            self.own.len() - 1
        })
    }

    fn unused(&self) -> impl Iterator<Item = Problem> {
        let unused = self.declared.iter().filter(|(_, used)| !used);
        unused.map(|(name, _)| {
            let text = abridge(name.get_ref());
            let problem = Problem::at(name.span(), format!("no call uses the parameter `{text}`"));
            problem.hint(format!("a call uses it as `\"${text}\"` in its `args`"))
        })
    }
}
