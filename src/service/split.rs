//! A share of the calls of a group that goes to another group.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use http::HeaderName;

use crate::model::interface::Interface;
use crate::model::name_patterns::NamePatterns;
use crate::service::args::Args;
use crate::service::caller_key::CallerKey;
use crate::service::layer::GroupLayer;
use crate::service::sampling::{RandomSource, Share, number_of_caller};
use crate::service::target::TargetGroup;
use crate::service::{Call, CallFuture, Context, RpcService};

/// Which calls of a group go to another group.
#[derive(Debug, Clone, PartialEq)]
pub struct SplitOptions {
    /// The path of the group, by which callers are numbered.
    pub group: String,
    /// The other group.
    pub to: TargetGroup,
    /// How many of a hundred calls.
    pub percent: f64,
    /// The methods: the calls of others stay.
    pub methods: NamePatterns,
    /// Whose calls all go, or all stay; `None` if each call is drawn for itself.
    pub sticky: Option<CallerKey>,
}

/// A layer that sends a share of the calls to another group.
#[derive(Debug)]
pub struct Split {
    options: SplitOptions,
    share: Share,
    source: RandomSource,
    counts: Arc<SplitCounts>,
}

/// How many calls have stayed, and how many have gone.
#[derive(Debug, Default)]
struct SplitCounts {
    stayed: AtomicU64,
    gone: AtomicU64,
}

impl Split {
    /// A split with these options.
    pub fn new(options: SplitOptions) -> Split {
        let share = Share::percent(options.percent);
        Split { options, share, source: RandomSource::default(), counts: Arc::default() }
    }

    /// The same split, which goes on with the counts of another.
    pub(crate) fn counting_on(&self, before: &Split) -> Split {
        Split { counts: before.counts.clone(), ..Split::new(self.options.clone()) }
    }

    /// How many calls have stayed, and how many have gone.
    pub(crate) fn counts(&self) -> [(&'static str, u64); 2] {
        [("own", self.counts.stayed.load(Relaxed)), ("other", self.counts.gone.load(Relaxed))]
    }

    /// Whether a call goes to the other group.
    fn takes(&self, method: &str, context: &Context) -> bool {
        self.options.methods.has(method)
            && self.share.takes(match &self.options.sticky {
                Some(key) => number_of_caller(&self.options.group, key, context),
                None => self.source.draw(),
            })
    }
}

/// Whether a call whose arguments are not read means the same to a service with another description.
fn is_understood(call: &Call<'_>, own: &Interface, other: &Interface) -> bool {
    !matches!(call.args, Args::Unread)
        || own.method(call.method) == other.method(call.method)
            && own.messages == other.messages
            && own.operations == other.operations
}

impl GroupLayer for Split {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        let other = self.options.to.service().filter(|_| self.takes(call.method, call.context));
        match other.filter(|other| is_understood(&call, &next.interface(), &other.interface())) {
            Some(other) => {
                self.counts.gone.fetch_add(1, Relaxed);
                if let Some(record) = &call.context.record {
                    record.note_split();
                }
                other.call(call)
            }
            None => {
                self.counts.stayed.fetch_add(1, Relaxed);
                next.call(call)
            }
        }
    }

    fn request_headers(&self) -> Vec<HeaderName> {
        self.options.sticky.as_ref().map(CallerKey::request_headers).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::model::value::{SizeBudget, Value};
    use crate::service::Identity;
    use crate::service::layer::layered_unguarded;
    use crate::service::local::Local;
    use crate::service::lock::lock;

    fn service(title: &'static str) -> Arc<dyn RpcService> {
        let service = Local::new(title, ()).method("get", move |(): &(), (): ()| title);
        Arc::new(service.method("stays", move |(): &(), (): ()| title).build().unwrap())
    }

    fn split(percent: f64, sticky: Option<CallerKey>, seed: u64) -> (Arc<dyn RpcService>, Arc<Split>) {
        let to = TargetGroup::new("/other", service("other"));
        let methods = NamePatterns(vec!["get".to_owned()]);
        let options = SplitOptions { group: "/own".to_owned(), to, percent, methods, sticky };
        let random = std::sync::Mutex::new(ChaCha8Rng::seed_from_u64(seed));
        let source = RandomSource::new(move || lock(&random).random());
        let split = Arc::new(Split { source, ..Split::new(options) });
        (layered_unguarded(service("own"), split.clone()), split)
    }

    async fn called(service: &Arc<dyn RpcService>, method: &str, name: &str) -> String {
        let context = Context { identity: Some(Arc::new(Identity::new(name))), ..Context::default() };
        let output = service.call(Call::new(method, Args::None, &context)).await.unwrap();
        let Value::Text(text) = output.into_value(SizeBudget::new(100)).await.unwrap() else { panic!("no text") };
        text
    }

    #[tokio::test]
    async fn about_the_share_of_the_calls_goes_to_the_other_group() {
        for seed in 0..20 {
            let (service, split) = split(20.0, None, seed);
            for _ in 0..1000 {
                called(&service, "get", "ada").await;
                assert_eq!(called(&service, "stays", "ada").await, "own");
            }
            let [("own", stayed), ("other", gone)] = split.counts() else { panic!("other counts") };
            assert!(stayed + gone == 2000 && (140..260).contains(&gone), "{gone}");
        }
    }

    #[tokio::test]
    async fn all_calls_of_a_caller_go_to_the_same_group() {
        let (service, _) = split(20.0, Some(CallerKey::Identity), 7);
        let mut gone = 0;
        for number in 0..200 {
            let name = format!("caller {number}");
            let first = called(&service, "get", &name).await;
            for _ in 0..5 {
                assert_eq!(called(&service, "get", &name).await, first);
            }
            gone += u32::from(first == "other");
        }
        assert!((20..60).contains(&gone), "{gone}");
    }
}
