//! Which callers may call which methods of a group.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::fault::{Fault, Kind};
use crate::model::interface::{Interface, Method};
use crate::model::name_patterns::NamePatterns;
use crate::model::network::Network;
use crate::model::text::abridge;
use crate::service::layer::GroupLayer;
use crate::service::{Call, CallFuture, Context, RpcService};

/// Stands in a list of methods for all safe methods.
const SAFE: &str = "@safe";

/// A rule about the callers of some methods. It decides about a call if the method and the caller match.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AccessRule {
    /// The methods that the rule is about: names, patterns in which `*` matches any characters, and `"@safe"`, which
    /// matches all safe methods. Upper and lower case are the same in a rule that denies, because an upstream may ignore
    /// the case.
    #[schemars(length(min = 1))]
    pub methods: Vec<String>,
    /// Whether the caller has to be authenticated.
    pub authenticated: bool,
    /// The names of callers, of which one has to be that of the caller. Without it, all match.
    pub names: Vec<String>,
    /// Roles, of which the caller has to have one. Without it, all match.
    pub roles: Vec<String>,
    /// Scopes, of which the caller's token has to have one. Without it, all match.
    pub scopes: Vec<String>,
    /// The networks, of which one has to have the address of the client: `"10.0.0.0/8"` or `"192.0.2.7"`. The address is that
    /// which trusted proxies forward. Without it, all match.
    pub networks: Vec<Network>,
    /// What the rule does.
    pub effect: Effect,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The call is made.
    #[default]
    Allow,
    /// The call is refused.
    Deny,
}

/// Which methods a group shows to a caller: in introspection, documents and pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VisibleMethods {
    /// All of them.
    #[default]
    All,
    /// Those that the access rules let the caller call.
    Callable,
}

impl Default for AccessRule {
    fn default() -> Self {
        AccessRule {
            methods: vec!["*".to_owned()],
            authenticated: false,
            names: Vec::new(),
            roles: Vec::new(),
            scopes: Vec::new(),
            networks: Vec::new(),
            effect: Effect::Allow,
        }
    }
}

impl AccessRule {
    /// Whether only callers with an identity match.
    pub(crate) fn needs_identity(&self) -> bool {
        self.authenticated || !(self.names.is_empty() && self.roles.is_empty() && self.scopes.is_empty())
    }

    /// Whether the rule lets callers without an identity call something.
    pub(crate) fn allows_anyone(&self) -> bool {
        self.effect == Effect::Allow && !self.needs_identity()
    }

    /// The names and patterns of methods, without words that have a meaning of their own.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = &str> {
        self.methods.iter().map(String::as_str).filter(|name| *name != SAFE)
    }

    fn matches_caller(&self, context: &Context) -> bool {
        let identity = context.identity.as_deref();
        let has_scope = |scope: &String| identity.is_some_and(|identity| identity.scopes.contains(scope));
        (self.scopes.is_empty() || self.scopes.iter().any(has_scope)) && self.matches_without_scopes(context)
    }

    /// Whether the caller matches, whatever the scopes of the token.
    fn matches_without_scopes(&self, context: &Context) -> bool {
        let identity = context.identity.as_deref();
        if self.authenticated && identity.is_none() {
            return false;
        }
        let has = |wanted: &[String], owned: &dyn Fn(&str) -> bool| {
            wanted.is_empty() || wanted.iter().any(|wanted| owned(wanted))
        };
        has(&self.names, &|name| identity.is_some_and(|identity| identity.name == name))
            && has(&self.roles, &|role| identity.is_some_and(|identity| identity.roles.contains(role)))
            && (self.networks.is_empty()
                || context.client.is_some_and(|client| self.networks.iter().any(|network| network.contains(client))))
    }
}

/// The rules of a group about its callers, as a layer. The first rule that matches decides; a call that no rule matches is
/// refused.
///
/// A call that is refused fails as [`Kind::Unauthenticated`] if it has no identity, and there is a way to have one;
/// otherwise as [`Kind::Forbidden`].
///
/// ```
/// use croupier::service::access::{AccessRule, AccessRules};
///
/// let everyone = AccessRule { methods: vec!["@safe".into()], ..AccessRule::default() };
/// let staff = AccessRule { roles: vec!["staff".into()], ..AccessRule::default() };
/// let rules = AccessRules::new(vec![everyone, staff]);
/// # let _ = rules;
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct AccessRules {
    rules: Vec<CompiledRule>,
    visible: VisibleMethods,
}

#[derive(Debug, Clone, PartialEq)]
struct CompiledRule {
    rule: AccessRule,
    patterns: NamePatterns,
    is_about_safe: bool,
}

impl AccessRules {
    /// These rules, in this order.
    pub fn new(rules: Vec<AccessRule>) -> AccessRules {
        let compiled = rules.into_iter().map(|rule| {
            let patterns = rule.patterns().map(str::to_owned).collect();
            let is_about_safe = rule.methods.iter().any(|name| name == SAFE);
            CompiledRule { rule, patterns: NamePatterns(patterns), is_about_safe }
        });
        AccessRules { rules: compiled.collect(), visible: VisibleMethods::All }
    }

    /// The same rules, with which methods callers are shown.
    #[must_use]
    pub fn showing(self, visible: VisibleMethods) -> AccessRules {
        AccessRules { visible, ..self }
    }

    /// Whether callers are shown only those methods that they may call.
    pub fn hide_methods(&self) -> bool {
        self.visible == VisibleMethods::Callable
    }

    /// Whether a caller without an identity may call something.
    pub fn allow_anyone(&self) -> bool {
        self.rules.iter().any(|CompiledRule { rule, .. }| rule.allows_anyone())
    }

    /// Whether a caller may call a method. `is_safe` says whether the method changes nothing; unknown methods are not safe.
    ///
    /// # Errors
    /// `Unauthenticated` or `Forbidden` if not.
    pub fn check(&self, method: &str, is_safe: impl Fn() -> bool, context: &Context) -> Result<(), Fault> {
        if self.allow(method, is_safe, context) { Ok(()) } else { Err(self.refusal(method, context)) }
    }

    /// The scopes that the allowing rules name, each once.
    pub(crate) fn scopes(&self) -> Vec<String> {
        let mut scopes: Vec<String> = Vec::new();
        let allowing = self.rules.iter().filter(|compiled| compiled.rule.effect == Effect::Allow);
        for scope in allowing.flat_map(|compiled| &compiled.rule.scopes) {
            if !scopes.contains(scope) {
                scopes.push(scope.clone());
            }
        }
        scopes
    }

    /// The scope that the token of a caller lacks to call a method: the first scope of the first rule that would allow the call
    /// with it. `None` if the rules allow the call, or no scope would help.
    pub(crate) fn missing_scope(&self, method: &str, is_safe: impl Fn() -> bool, context: &Context) -> Option<&str> {
        context.identity.as_ref()?;
        if self.allow(method, &is_safe, context) {
            return None;
        }
        let of_method = self.rules.iter().filter(|compiled| compiled.matches_method(method, &is_safe));
        // The first rule that matches the caller decides, so that a scope of a later one does not help.
        let mut undecided = of_method.map(|compiled| &compiled.rule).take_while(|rule| !rule.matches_caller(context));
        let allows_with_scope =
            |rule: &&AccessRule| rule.effect == Effect::Allow && rule.matches_without_scopes(context);
        undecided.find(allows_with_scope).and_then(|rule| rule.scopes.first()).map(String::as_str)
    }

    fn allow(&self, method: &str, is_safe: impl Fn() -> bool, context: &Context) -> bool {
        let decides = |compiled: &&CompiledRule| {
            compiled.matches_method(method, &is_safe) && compiled.rule.matches_caller(context)
        };
        self.rules.iter().find(decides).is_some_and(|compiled| compiled.rule.effect == Effect::Allow)
    }

    fn refusal(&self, method: &str, context: &Context) -> Fault {
        let method = abridge(method);
        let helps = context.identity.is_none() && self.rules.iter().any(|compiled| compiled.rule.needs_identity());
        if helps {
            return Fault::new(
                Kind::Unauthenticated,
                format!("`{method}` needs credentials, and the request has none"),
            );
        }
        Fault::new(Kind::Forbidden, format!("you may not call `{method}`"))
    }
}

impl CompiledRule {
    fn matches_method(&self, method: &str, is_safe: impl Fn() -> bool) -> bool {
        let matches = match self.rule.effect {
            Effect::Allow => self.patterns.has(method),
            // An upstream may ignore the case of names, so a denied method is denied in each.
            Effect::Deny => self.patterns.has_in_any_case(method),
        };
        matches || self.is_about_safe && is_safe()
    }
}

impl GroupLayer for AccessRules {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        let is_safe = || next.interface().method(call.method).is_some_and(|method| method.safe);
        match self.check(call.method, is_safe, call.context) {
            Ok(()) => next.call(call),
            Err(fault) => fault.into(),
        }
    }

    fn reads_client_address(&self) -> bool {
        self.rules.iter().any(|compiled| !compiled.rule.networks.is_empty())
    }

    fn shown_to(&self, caller: &Context, interface: Arc<Interface>) -> Arc<Interface> {
        let callable = |method: &Method| self.allow(&method.name, || method.safe, caller);
        if !self.hide_methods() || interface.methods.iter().all(callable) {
            return interface;
        }
        Arc::new(interface.with_methods(callable))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::service::Identity;

    fn rule(methods: &[&str], change: impl FnOnce(&mut AccessRule)) -> AccessRule {
        let methods = methods.iter().map(|name| (*name).to_owned()).collect();
        let mut rule = AccessRule { methods, ..AccessRule::default() };
        change(&mut rule);
        rule
    }

    fn caller(identity: Option<Identity>, client: &str) -> Context {
        Context { identity: identity.map(Arc::new), client: client.parse().ok(), ..Context::default() }
    }

    fn outcome(rules: &AccessRules, method: &str, context: &Context) -> Option<Kind> {
        rules.check(method, || method == "get", context).err().map(|fault| fault.kind)
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let rules = AccessRules::new(vec![
            rule(&["shutdown*"], |rule| rule.effect = Effect::Deny),
            rule(&["@safe", "ping"], |_| {}),
            rule(&["put"], |rule| rule.roles = vec!["writer".to_owned(), "admin".to_owned()]),
            rule(&["*"], |rule| rule.names = vec!["root".to_owned()]),
        ]);
        let (nobody, writer) = (caller(None, "192.0.2.1"), caller(Some(Identity::new("ada").with_role("writer")), ""));
        let root = caller(Some(Identity::new("root")), "");
        for (method, of_nobody, of_writer, of_root) in [
            ("get", None, None, None),
            ("ping", None, None, None),
            ("put", Some(Kind::Unauthenticated), None, None),
            ("drop", Some(Kind::Unauthenticated), Some(Kind::Forbidden), None),
            ("ShutDownAll", Some(Kind::Unauthenticated), Some(Kind::Forbidden), Some(Kind::Forbidden)),
            ("PING", Some(Kind::Unauthenticated), Some(Kind::Forbidden), None),
        ] {
            assert_eq!(outcome(&rules, method, &nobody), of_nobody, "{method}");
            assert_eq!(outcome(&rules, method, &writer), of_writer, "{method}");
            assert_eq!(outcome(&rules, method, &root), of_root, "{method}");
        }
        assert!(rules.allow_anyone());
        assert!(!AccessRules::new(vec![rule(&["*"], |rule| rule.authenticated = true)]).allow_anyone());
    }

    #[test]
    fn all_conditions_of_a_rule_hold_together() {
        let rules = AccessRules::new(vec![rule(&["*"], |rule| {
            rule.scopes = vec!["wheel".to_owned()];
            rule.networks = vec!["10.0.0.0/8".parse().unwrap()];
        })]);
        let mut identity = Identity::new("ada");
        identity.scopes.insert("wheel".to_owned());
        assert_eq!(outcome(&rules, "spin", &caller(Some(identity.clone()), "::ffff:10.1.2.3")), None);
        assert_eq!(outcome(&rules, "spin", &caller(Some(identity.clone()), "11.1.2.3")), Some(Kind::Forbidden));
        assert_eq!(outcome(&rules, "spin", &caller(Some(identity), "unix")), Some(Kind::Forbidden));
        assert_eq!(outcome(&rules, "spin", &caller(None, "10.1.2.3")), Some(Kind::Unauthenticated));
        let by_network =
            AccessRules::new(vec![rule(&["*"], |rule| rule.networks = vec!["10.0.0.0/8".parse().unwrap()])]);
        assert_eq!(outcome(&by_network, "spin", &caller(None, "10.9.9.9")), None);
        assert_eq!(outcome(&by_network, "spin", &caller(None, "11.9.9.9")), Some(Kind::Forbidden));
    }

    #[test]
    fn the_scope_that_a_caller_lacks_is_that_of_the_first_rule_that_it_would_let_through() {
        let scoped = |methods: &[&str], scopes: &[&str], change: fn(&mut AccessRule)| {
            let mut rule = rule(methods, change);
            rule.scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
            rule
        };
        let rules = AccessRules::new(vec![
            rule(&["drop"], |rule| rule.effect = Effect::Deny),
            scoped(&["put"], &["wheel:admin"], |rule| rule.names = vec!["root".to_owned()]),
            scoped(&["put", "drop", "@safe"], &["wheel:write", "wheel:all"], |_| {}),
            scoped(&["*"], &["wheel:all"], |_| {}),
            scoped(&["*"], &["banned"], |rule| rule.effect = Effect::Deny),
        ]);
        assert_eq!(rules.scopes(), ["wheel:admin", "wheel:write", "wheel:all"]);
        let missing = |method: &str, name: Option<&str>| {
            rules.missing_scope(method, || method == "get", &caller(name.map(Identity::new), "")).map(str::to_owned)
        };
        for (method, name, expected) in [
            ("put", Some("ada"), Some("wheel:write")),
            ("put", Some("root"), Some("wheel:admin")),
            ("get", Some("ada"), Some("wheel:write")),
            ("other", Some("ada"), Some("wheel:all")),
            ("drop", Some("ada"), None),
            ("put", None, None),
        ] {
            assert_eq!(missing(method, name).as_deref(), expected, "{method} {name:?}");
        }
    }

    #[test]
    fn without_a_rule_that_matches_a_call_is_refused() {
        let rules = AccessRules::new(vec![rule(&["get"], |_| {})]);
        assert_eq!(outcome(&rules, "get2", &caller(None, "")), Some(Kind::Forbidden));
        assert_eq!(outcome(&AccessRules::new(Vec::new()), "get", &caller(None, "")), Some(Kind::Forbidden));
    }
}
