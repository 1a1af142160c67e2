//! `croupier check --ask`: asks the upstreams of a configuration for their methods, and compares the configuration with
//! them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::load::ReadConfig;
use super::progress::waiting;
use super::{Failure, say};
use crate::config::Registry;
use crate::model::text::printable;
use crate::server::mount::GroupMount;
use crate::service::RpcService as _;
use crate::upstream::Upstream;

/// How many characters of the reason for a failure are printed.
const REASON: usize = 400;

/// How many parts of a description that are not used are printed.
const MAX_GAPS: usize = 100;

/// A server of a group, and what it says.
struct Answer {
    server: String,
    upstream: Upstream,
    /// Why it does not describe itself, if it does not.
    failure: Option<String>,
    time: Duration,
}

/// Asks each server of each upstream, for at most `limit` each and all at the same time.
///
/// # Errors
/// If one of them does not describe itself, or if the configuration does not match what they say.
pub(super) fn ask(read: &ReadConfig, limit: Duration, registry: &Registry) -> Result<(), Failure> {
    let groups: Vec<&GroupMount> = read.config.groups.iter().filter(|group| group.upstream.is_some()).collect();
    say("");
    if groups.is_empty() {
        say("there are no upstreams to ask");
        return Ok(());
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let answers = runtime.block_on(waiting("asking the upstreams", answers(&groups, limit)))?;
    let (mut described, mut silent) = (BTreeMap::new(), 0);
    for (index, group) in groups.into_iter().enumerate() {
        let answers = answers.get(&index).map(Vec::as_slice).unwrap_or_default();
        if answers.is_empty() {
            say(format_args!("{}  not asked: the addresses of its upstream are not set", group.path));
        }
        for answer in answers {
            say(format_args!("{}  {}", group.path, line(answer)));
            let gaps = answer.upstream.state().gaps;
            for gap in gaps.sentences(MAX_GAPS).iter().chain(&gaps.credentials) {
                say(format_args!("{}    {}", group.path, printable(gap, REASON)));
            }
            silent += usize::from(answer.failure.is_some());
        }
        let first = answers.iter().find(|answer| answer.failure.is_none());
        described.extend(first.map(|answer| (group.path.clone(), answer.upstream.clone())));
    }
    let compared = read.compare(registry, &described);
    if silent > 0 {
        let silent = match silent {
            1 => "1 server does not describe itself".to_owned(),
            _ => format!("{silent} servers do not describe themselves"),
        };
        let mut message = format!("croupier: {silent}; what depends on that is not compared");
        if let Err(Failure { message: errors, .. }) = compared {
            message.insert_str(0, &format!("{}\n", errors.trim_end()));
        }
        return Err(Failure::new(message));
    }
    compared
}

/// What each server of each group says, by the index of the group.
async fn answers(groups: &[&GroupMount], limit: Duration) -> Result<BTreeMap<usize, Vec<Answer>>, Failure> {
    let mut asked = JoinSet::new();
    for (group, upstream) in groups.iter().enumerate().filter_map(|(at, group)| Some((at, group.upstream.as_ref()?))) {
        for (at, (server, upstream)) in upstream.each_server()?.into_iter().enumerate() {
            asked.spawn(async move {
                let start = Instant::now();
                let failure = match timeout(limit, upstream.discover()).await {
                    Ok(Ok(_)) => None,
                    Ok(Err(fault)) => Some(fault.message.into_owned()),
                    Err(_) => Some(format!("no description within {limit:?}")),
                };
                ((group, at), Answer { server, upstream, failure, time: start.elapsed() })
            });
        }
    }
    // In the order of the file.
    let answers: BTreeMap<(usize, usize), Answer> = asked.join_all().await.into_iter().collect();
    let mut of_groups: BTreeMap<usize, Vec<Answer>> = BTreeMap::new();
    for ((group, _), answer) in answers {
        of_groups.entry(group).or_default().push(answer);
    }
    Ok(of_groups)
}

/// What a server says, on one line.
fn line(answer: &Answer) -> String {
    let mut line = format!("{}: ", answer.server);
    if let Some(failure) = &answer.failure {
        line.push_str(&printable(failure, REASON));
        return line;
    }
    let methods = &answer.upstream.interface().methods;
    let protocol = answer.upstream.state().protocol.title();
    let safe = methods.iter().filter(|method| method.safe).count();
    let nouns = if methods.len() == 1 { "method" } else { "methods" };
    let _ =
        write!(line, "{} {nouns} over {protocol}, {safe} of them safe ({} ms)", methods.len(), answer.time.as_millis());
    line
}
