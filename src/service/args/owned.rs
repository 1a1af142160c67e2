//! Arguments that outlive their request, for calls that are made later or again.

use super::{ArgValues, Args};
use crate::codec::tape::Tape;
use crate::model::fault::Fault;
use crate::model::value::Value;
use crate::service::{Call, CallFuture, Context, RpcService};

/// The arguments of a call, read and kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OwnedArgs {
    /// The values by position, or one struct of those by name.
    values: Vec<Value>,
    are_named: bool,
}

impl OwnedArgs {
    /// Reads and keeps arguments.
    ///
    /// # Errors
    /// Those of [`Args::read_values`].
    pub(crate) fn read(args: Args<'_>) -> Result<OwnedArgs, Fault> {
        Ok(match args.read_values()? {
            ArgValues::ByPosition(values) => OwnedArgs { values, are_named: false },
            ArgValues::ByName(members) => OwnedArgs { values: vec![Value::Struct(members)], are_named: true },
        })
    }

    /// Begins a call with the arguments.
    pub(crate) fn call(&self, service: &dyn RpcService, method: &str, context: &Context) -> CallFuture {
        let tape = match Tape::of(&self.values) {
            Ok(tape) => tape,
            Err(fault) => return fault.into(),
        };
        let mut values = tape.values();
        let args = match self.are_named {
            true => values.next().map_or(Args::None, Args::Members),
            false => Args::Values(values),
        };
        service.call(Call::new(method, args, context))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::model::value::SizeBudget;
    use crate::service::local::Local;

    #[tokio::test]
    async fn a_call_with_kept_arguments_is_the_same_call() {
        let service = Local::new("Kept", ())
            .method("join", |(): &(), args: Join| format!("{:?} {:?} {}", args.number, args.any, args.rest))
            .build()
            .unwrap();
        for (json, joined) in [
            (r#"[7, {"a": [1, 2.5, null]}]"#, "7 Struct([(\"a\", Array([Int(1), Double(2.5), Nil]))]) "),
            (r#"{"rest": "r", "any": true, "number": 12}"#, "12 Bool(true) r"),
        ] {
            let raw = RawValue::from_string(json.to_owned()).unwrap();
            let kept = OwnedArgs::read(Args::Json(&raw)).unwrap();
            for _ in 0..2 {
                let output = kept.call(&service, "join", &Context::default()).await.unwrap();
                let value = output.into_value(SizeBudget::new(10_000)).await.unwrap();
                assert_eq!(value, Value::Text(joined.to_owned()));
            }
        }
        let none = OwnedArgs::read(Args::None).unwrap().call(&service, "join", &Context::default()).await;
        assert_eq!(none.err().unwrap().parameter.as_deref(), Some("number"));
        assert!(OwnedArgs::read(Args::Unread).is_err());
    }

    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Join {
        number: i64,
        any: Value,
        #[serde(default)]
        rest: String,
    }
}
