//! The guest list of a casino: objects that are created, read, changed and deleted, over every protocol. Routes in the
//! file beside it give REST the verbs and paths that one expects of such a list.
//!
//! `cargo run --example guests -- serve examples/guests.toml`, and then
//!
//! ```text
//! curl -H 'Content-Type: application/json' -d '{"name": "Blanche", "chips": 500}' http://127.0.0.1:8008/casino/guests
//! curl http://127.0.0.1:8008/casino/guests/1
//! cargo run -- call http://127.0.0.1:8008/casino list
//! ```

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use croupier::Fault;
use croupier::config::Registry;
use croupier::service::local::{Local, RegistrationError, named};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The largest number of guests. What callers can add to must have a limit.
const MOST: usize = 1000;
/// The code of the fault for an unknown guest.
const NO_SUCH_GUEST: i32 = 1;
/// The code of the fault for a guest list that is full.
const FULL: i32 = 2;

/// What is known of a guest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Guest {
    /// The name, as it stands on the door's list.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    /// How many chips the guest has.
    #[serde(default)]
    chips: u32,
}

/// A guest and the number that the list has for it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Entry {
    /// The number, from 1.
    id: u32,
    /// The guest's name.
    name: String,
    /// How many chips the guest has.
    chips: u32,
}

/// Puts a guest on the list. Returns the entry.
#[derive(Deserialize, JsonSchema)]
struct Add {
    /// Who it is.
    guest: Guest,
}

/// Returns the guests in the order in which they came.
#[derive(Deserialize, JsonSchema)]
struct List {
    /// Only those with as many chips at least.
    #[serde(default)]
    chips: u32,
}

/// Returns one guest.
#[derive(Deserialize, JsonSchema)]
struct Read {
    /// Which one.
    id: u32,
}

/// Writes a guest anew. Returns the entry.
#[derive(Deserialize, JsonSchema)]
struct Replace {
    /// Which one.
    id: u32,
    /// What is known from now on.
    guest: Guest,
}

/// Changes what is given of a guest, and leaves the rest. Returns the entry.
#[derive(Deserialize, JsonSchema)]
struct Amend {
    /// Which one.
    id: u32,
    /// The new name.
    #[schemars(length(min = 1, max = 100))]
    name: Option<String>,
    /// How many chips the guest has now.
    chips: Option<u32>,
}

/// Takes a guest from the list. Returns who that was.
#[derive(Deserialize, JsonSchema)]
struct Remove {
    /// Which one.
    id: u32,
}

/// Gives chips to a guest, or takes some. Returns the entry.
#[derive(Deserialize, JsonSchema)]
struct Pay {
    /// Which one.
    id: u32,
    /// How many chips.
    chips: u32,
    /// Whether they are taken instead.
    #[serde(default)]
    take: bool,
}

/// The list.
#[derive(Default)]
struct Guests {
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    guests: BTreeMap<u32, Guest>,
    last: u32,
}

impl Guests {
    /// The entries; those that a handler left behind when it panicked are whole, since each change is one.
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes one guest, if the change leaves a sound one behind.
    fn change(&self, id: u32, change: impl FnOnce(&mut Guest) -> Result<(), Fault>) -> Result<Entry, Fault> {
        let mut entries = self.entries();
        let guest = entries.guests.get_mut(&id).ok_or_else(|| no_such_guest(id))?;
        let mut changed = guest.clone();
        change(&mut changed)?;
        check(&changed)?;
        *guest = changed;
        Ok(entry(id, guest))
    }
}

fn entry(id: u32, guest: &Guest) -> Entry {
    Entry { id, name: guest.name.clone(), chips: guest.chips }
}

fn no_such_guest(id: u32) -> Fault {
    Fault::service(NO_SUCH_GUEST, format!("there is no guest {id}")).of_parameter("id")
}

fn check(guest: &Guest) -> Result<(), Fault> {
    match guest.name.chars().take(101).count() {
        1..=100 => Ok(()),
        _ => Err(Fault::bad_params("a name has from 1 to 100 characters").of_parameter("name")),
    }
}

fn add(list: &Guests, Add { guest }: Add) -> Result<Entry, Fault> {
    check(&guest)?;
    let mut entries = list.entries();
    let id = entries.last.saturating_add(1);
    if entries.guests.len() >= MOST || id == entries.last {
        return Err(Fault::service(FULL, format!("the list has {MOST} guests, and no more get in")));
    }
    let added = entry(id, &guest);
    entries.guests.insert(id, guest);
    entries.last = id;
    Ok(added)
}

fn read(list: &Guests, Read { id }: Read) -> Result<Entry, Fault> {
    list.entries().guests.get(&id).map(|guest| entry(id, guest)).ok_or_else(|| no_such_guest(id))
}

fn all(list: &Guests, List { chips }: List) -> Vec<Entry> {
    let entries = list.entries();
    entries.guests.iter().filter(|(_, guest)| guest.chips >= chips).map(|(id, guest)| entry(*id, guest)).collect()
}

fn replace(list: &Guests, Replace { id, guest }: Replace) -> Result<Entry, Fault> {
    list.change(id, |old| {
        *old = guest;
        Ok(())
    })
}

fn amend(list: &Guests, Amend { id, name, chips }: Amend) -> Result<Entry, Fault> {
    list.change(id, |guest| {
        guest.name = name.unwrap_or_else(|| guest.name.clone());
        guest.chips = chips.unwrap_or(guest.chips);
        Ok(())
    })
}

fn remove(list: &Guests, Remove { id }: Remove) -> Result<Entry, Fault> {
    list.entries().guests.remove(&id).map(|guest| entry(id, &guest)).ok_or_else(|| no_such_guest(id))
}

fn pay(list: &Guests, Pay { id, chips, take }: Pay) -> Result<Entry, Fault> {
    list.change(id, |guest| {
        let changed = if take { guest.chips.checked_sub(chips) } else { guest.chips.checked_add(chips) };
        guest.chips = changed.ok_or_else(|| Fault::bad_params("the guest has not as many").of_parameter("chips"))?;
        Ok(())
    })
}

fn guests((): ()) -> Result<Local, RegistrationError> {
    Local::new("Guest list", Guests::default())
        .about("Who is in the house, and with how many chips.")
        .method("add", add)
        .method(named("list").safe(), all)
        .method(named("read").safe(), read)
        .method("replace", replace)
        .method("amend", amend)
        .method("remove", remove)
        .method("pay", pay)
        .build()
}

/// The services that ship with croupier, and the guest list.
pub fn registry() -> Registry {
    Registry::standard().with("guests", guests)
}

fn main() -> std::process::ExitCode {
    croupier::cli::run(registry())
}
