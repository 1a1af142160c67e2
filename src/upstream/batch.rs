//! Several calls that travel to a server in one round trip, and their answers.

use bytes::Bytes;
use http::Response;
use tokio::runtime::Handle;

use super::Upstream;
use super::remote::LARGE;
use super::version::Description;
use crate::model::fault::{Fault, Kind};
use crate::model::value::Value;
use crate::protocol::client_codec::{CallTarget, ResponseError};
use crate::service::future::{MaybeReady, run_blocking};
use crate::service::{BatchFuture, Call, Encode, RpcService};
use crate::upstream::transport::Repeat;

/// What has become of each call: the name of one that is on its way, or why it is not.
type Sent = Vec<Result<String, Fault>>;

type Answers = Vec<Result<Box<dyn Encode>, Fault>>;

impl Upstream {
    /// Begins calls that travel in one round trip. A call that cannot be made is a fault of its own; `None` where there
    /// are not two of them that can, or one cannot be written.
    pub(super) fn send_together(&self, calls: &[Call<'_>]) -> Option<BatchFuture> {
        let version = self.inner.versions.count();
        let offer = self.inner.versions.at(version);
        let codec = offer.codec.as_ref().filter(|_| RpcService::supports_batching(self))?;
        let (mut asked, mut sent, mut repeat) = (Vec::new(), Sent::new(), Repeat::Harmless);
        for call in calls {
            match self.prepare(offer, call) {
                Ok(prepared) => {
                    asked.push(prepared);
                    sent.push(Ok(call.method.to_owned()));
                    if self.repeat(call.method) == Repeat::Unsent {
                        repeat = Repeat::Unsent;
                    }
                }
                Err(fault) => sent.push(Err(fault)),
            }
        }
        if asked.len() < 2 {
            return None;
        }
        let request = codec.encode_batch(asked).ok()??;
        let remote = self.clone();
        Some(MaybeReady::later(async move {
            let response = match remote.exchange(request, repeat).await {
                Ok(response) => response,
                Err(fault) => return none(sent, &fault),
            };
            let large = response.body().len() >= LARGE;
            let decode_response = move || remote.hear_together(sent, remote.inner.versions.at(version), &response);
            if large { run_blocking(&Handle::current(), decode_response).await } else { decode_response() }
        }))
    }

    fn hear_together(&self, sent: Sent, offer: &Description, response: &Response<Bytes>) -> Answers {
        let known = |method| self.find(offer, method).ok().flatten();
        let asked = sent.iter().flatten().map(|method| CallTarget { method, known: known(method) }).collect::<Vec<_>>();
        let heard = match &offer.codec {
            Some(codec) => codec.decode_batch(&asked, response),
            None => Ok(Vec::new()),
        };
        drop(asked);
        match heard {
            Ok(answers) => {
                let mut answers = answers.into_iter();
                let heard = sent.into_iter().map(|sent| sent.and_then(|method| self.heard_of(&method, answers.next())));
                heard.collect()
            }
            // The methods may all be there, and only the way to call several at once is not.
            Err(ResponseError::Fault(fault)) => none(sent, &several(&fault)),
            Err(no_answer) => none(sent, &self.fault_of("system.multicall", no_answer)),
        }
    }

    fn heard_of(&self, method: &str, answer: Option<Result<Value, ResponseError>>) -> Result<Box<dyn Encode>, Fault> {
        match answer {
            Some(Ok(value)) => Ok(Box::new(value)),
            Some(Err(no_answer)) => Err(self.fault_of(method, no_answer)),
            None => Err(Fault::internal()),
        }
    }
}

fn several(fault: &Fault) -> Fault {
    let reason = &fault.message;
    Fault::new(Kind::Unreachable, format!("the server behind this one does not take several calls at once: {reason}"))
}

/// No answers, for the same reason where a call was sent at all.
fn none(sent: Sent, fault: &Fault) -> Answers {
    sent.into_iter().map(|method| Err(method.map_or_else(|own| own, |_| fault.clone()))).collect()
}
