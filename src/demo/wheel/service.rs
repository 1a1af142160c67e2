//! The service of a wheel: its methods and their parameters.

use std::borrow::Cow;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

use super::{Pocket, WheelTable, drawing};
use crate::model::fault::{Fault, Kind};
use crate::service::local::{Local, RegistrationError, named};
use crate::service::rows::{Picked, RowSet};

impl WheelTable {
    /// The service of this table: `spin`, `spinList`, `spinCounts` and `pockets`.
    ///
    /// # Errors
    /// If two methods had the same name, which the tests exclude.
    pub fn service(self) -> Result<Local, RegistrationError> {
        let title = title(self.wheel().name());
        let section = drawing::section(self.pockets());
        let (ring, most) = (self.pockets().ring().clone(), self.max_spins());
        let limited = move |spins: &mut Schema| drop(spins.insert("maximum".into(), most.into()));
        Local::new(title, Casino { ring, table: self })
            .about("A roulette wheel. Each spin is independent of all others.")
            .page_section(section)
            .method(
                named("spin")
                    .doc("Spins once. Returns the pocket in which the ball landed: number, colour, parity and range.")
                    .safe(),
                Casino::spin,
            )
            .rows(named("spinList").param("spins", limited).safe(), |casino: &Arc<Casino>, spins: SpinList| {
                casino.spin_list(&spins)
            })
            .method_async(named("spinCounts").param("spins", limited).safe(), Casino::spin_counts)
            .method(
                named("pockets").doc("The pockets in the order in which they lie around the wheel.").safe(),
                |casino: &Casino, (): ()| casino.ring.to_vec(),
            )
            .build()
    }
}

/// The spins between two yields to other tasks, about one millisecond.
const PORTION: usize = 100_000;

/// The state of the service: the table and its pockets.
struct Casino {
    ring: Arc<[Pocket]>,
    table: WheelTable,
}

/// Spins several times. Returns the pockets in which the ball landed, one after the other.
#[derive(Deserialize, JsonSchema)]
struct SpinList {
    /// How many spins.
    #[serde(default = "once")]
    spins: u64,
}

/// Spins several times. Returns how often the ball landed in each pocket, by the pocket's number.
#[derive(Deserialize, JsonSchema)]
struct SpinCounts {
    /// How many spins.
    spins: u64,
}

fn once() -> u64 {
    1
}

impl Casino {
    fn spin(&self, (): ()) -> Result<Pocket, Fault> {
        let landed = self.ring.get(self.table.spin());
        landed.cloned().ok_or_else(|| Fault::new(Kind::Internal, "the ball landed outside the wheel"))
    }

    fn spin_list(&self, asked: &SpinList) -> Result<impl RowSet<Item = Pocket> + use<>, Fault> {
        self.check(asked.spins)?;
        Ok(Picked::new(self.ring.clone(), self.table.draws(asked.spins)))
    }

    /// Counts in portions, so that a call with millions of spins does not block other tasks.
    async fn spin_counts(self: Arc<Casino>, asked: SpinCounts) -> Result<Counts, Fault> {
        self.check(asked.spins)?;
        let mut counts: Vec<_> = self.ring.iter().map(|pocket| (pocket.number.clone(), 0)).collect();
        let mut draws = self.table.draws(asked.spins);
        loop {
            let mut spun = 0;
            for index in draws.by_ref().take(PORTION) {
                spun += 1;
                if let Some((_, count)) = counts.get_mut(index) {
                    *count += 1;
                }
            }
            if spun < PORTION {
                return Ok(Counts(counts));
            }
            tokio::task::yield_now().await;
        }
    }

    fn check(&self, spins: u64) -> Result<(), Fault> {
        match self.table.max_spins() {
            most if spins > most => Err(too_many(spins, most)),
            _ => Ok(()),
        }
    }
}

fn too_many(spins: u64, most: u64) -> Fault {
    Fault::bad_params(format!("`spins` is at most {most}, {spins} asked for")).of_parameter("spins")
}

/// How often the ball landed in each pocket, in the pockets' order around the wheel.
struct Counts(Vec<(Cow<'static, str>, u64)>);

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(number, count)| (number, count)))
    }
}

impl JsonSchema for Counts {
    fn schema_name() -> Cow<'static, str> {
        "Counts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "How often the ball landed in each pocket, by the pocket's number.",
            "additionalProperties": { "type": "integer", "minimum": 0 },
        })
    }
}

/// `American wheel` for the wheel `american`.
fn title(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{} wheel", letters.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::codec::json::JsonDialect;
    use crate::demo::wheel::{Chance, Family};
    use crate::service::args::Args;
    use crate::service::{Call, Context, Format, Output, RpcService};

    fn service() -> Local {
        WheelTable::new(Family::American, Chance::seeded(7)).with_max_spins(1000).service().unwrap()
    }

    /// The result of a method, as JSON.
    fn ask(service: &Local, method: &str, args: &str) -> Result<Value, Fault> {
        let args: Box<serde_json::value::RawValue> = serde_json::from_str(args).unwrap();
        let context = Context::default();
        let call = Call::new(method, Args::Json(&args), &context);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut text = Vec::new();
        match runtime.block_on(service.call(call))? {
            Output::One(value) => value.encode(Format::Json(JsonDialect::default()), &mut text).unwrap(),
            Output::Many(mut rows) => {
                text.push(b'[');
                rows.fill(Format::Json(JsonDialect::default()), &mut text, usize::MAX).unwrap();
                text.push(b']');
            }
            Output::Raw(_) => panic!("the wheel has no raw responses"),
        }
        Ok(serde_json::from_slice(&text).unwrap())
    }

    #[test]
    fn a_spin_is_four_texts_and_a_list_goes_on_where_it_ended() {
        let (one, other) = (service(), service());
        let spins: Vec<_> = (0..4).map(|_| ask(&one, "spin", "[]").unwrap()).collect();
        assert_eq!(spins[0], json!(["31", "BLACK", "ODD", "HIGH"]));
        assert_eq!(ask(&other, "spinList", "[4]"), Ok(Value::from(spins)));
    }

    #[test]
    fn the_number_of_spins_has_a_default_and_a_limit_that_is_named() {
        let service = service();
        assert_eq!(ask(&service, "spinList", "[]").unwrap().as_array().unwrap().len(), 1);
        assert_eq!(ask(&service, "spinList", r#"{"spins": 0}"#), Ok(json!([])));
        for method in ["spinList", "spinCounts"] {
            let fault = ask(&service, method, "[1001]").unwrap_err();
            assert_eq!((fault.kind, fault.message.contains("1000")), (Kind::BadParams, true));
        }
    }

    #[test]
    fn counts_that_are_no_counts_are_bad_parameters() {
        for args in ["[-1]", "[1.5]", "[\"3\"]", "[null]", "[[]]", "[1, 2]", "{\"spin\": 1}"] {
            assert_eq!(ask(&service(), "spinList", args).unwrap_err().kind, Kind::BadParams, "{args}");
        }
    }

    #[test]
    fn counts_add_up_and_pockets_lie_in_their_order() {
        let counts = ask(&service(), "spinCounts", "[1000]").unwrap();
        assert_eq!(counts.as_object().unwrap().values().filter_map(Value::as_u64).sum::<u64>(), 1000);
        let pockets = ask(&service(), "pockets", "[]").unwrap();
        assert_eq!(pockets[0], json!(["0", "GREEN", "ZERO", "ZERO"]));
        assert_eq!(pockets[1], json!(["28", "BLACK", "EVEN", "HIGH"]));
    }

    #[test]
    fn the_page_section_names_methods_of_the_service() {
        let interface = service().interface().clone();
        let section = interface.page_section.clone().unwrap();
        for name in ["pick", "list"] {
            assert!(interface.method(section.script_data[name].as_str().unwrap()).is_some(), "{name}");
        }
    }
}
