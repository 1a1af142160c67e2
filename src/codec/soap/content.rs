//! The values that are given for the parts of a message, while they are written.

use std::collections::VecDeque;

use super::binding::{MessagePart, Occurrence, PartKind, Particle, RecordType};
use crate::model::value::Value;

/// The values that are given for the parts of a type, and how many of each have been written.
pub(super) struct Given<'v> {
    slots: Vec<Slot<'v>>,
    /// Members that the type does not name.
    pub(super) further: Vec<(&'v str, &'v Value)>,
    /// The parts of the elements that are still to be written, in the order that was given for them.
    order: Option<VecDeque<usize>>,
}

#[derive(Clone, Copy)]
struct Slot<'v> {
    value: Option<&'v Value>,
    /// Its position among the members that are given.
    order: usize,
    written: usize,
}

impl<'v> Given<'v> {
    /// Nothing for this number of parts.
    pub(super) fn new(parts: usize) -> Given<'v> {
        Given { slots: vec![Slot { value: None, order: 0, written: 0 }; parts], further: Vec::new(), order: None }
    }

    /// Sets the order in which the elements of the parts follow each other. A part that has no elements is passed over.
    ///
    /// # Errors
    /// The part that occurs in it more or less often than it has elements.
    pub(super) fn set_order(&mut self, order: Vec<usize>, parts: &[MessagePart]) -> Result<(), usize> {
        let mut counts = vec![0; parts.len()];
        for at in &order {
            if let Some(count) = counts.get_mut(*at) {
                *count += 1;
            }
        }
        let left = |at: usize| parts.get(at).map_or(0, |part| self.left(at, part));
        let differs = |(at, part): (usize, &MessagePart)| {
            part.kind == PartKind::Element && left(at) > 0 && counts.get(at) != Some(&left(at))
        };
        match parts.iter().enumerate().position(differs) {
            Some(at) => Err(at),
            None => {
                let order = order.into_iter().filter(|at| left(*at) > 0).collect();
                self.order = Some(order);
                Ok(())
            }
        }
    }

    /// The part whose element must come next, if an order was given and something is left of it.
    pub(super) fn next_in_order(&self) -> Option<usize> {
        self.order.as_ref()?.front().copied()
    }

    /// Whether an element of a part can come next.
    fn is_next(&self, at: usize, part: &MessagePart) -> bool {
        part.kind != PartKind::Element || self.order.as_ref().is_none_or(|order| order.front() == Some(&at))
    }

    /// Sets the value of a part. Returns whether it had none before.
    pub(super) fn set(&mut self, at: usize, order: usize, value: &'v Value) -> bool {
        let Some(slot) = self.slots.get_mut(at).filter(|slot| slot.value.is_none()) else { return false };
        *slot = Slot { value: Some(value), order, written: 0 };
        true
    }

    /// The value of a part.
    pub(super) fn value(&self, at: usize) -> Option<&'v Value> {
        self.slots.get(at)?.value
    }

    /// Whether nil is given for a part.
    pub(super) fn is_nil(&self, at: usize) -> bool {
        matches!(self.value(at), Some(Value::Nil))
    }

    /// How many elements of a part have been written.
    pub(super) fn written(&self, at: usize) -> usize {
        self.slots.get(at).map_or(0, |slot| slot.written)
    }

    /// How many elements of a part are still to be written.
    pub(super) fn left(&self, at: usize, part: &MessagePart) -> usize {
        let Some(slot) = self.slots.get(at) else { return 0 };
        let all = match (slot.value, part.occurs) {
            (None, _) | (Some(Value::Nil), Occurrence::Repeatedly) => 0,
            (Some(Value::Nil), Occurrence::Maybe) if !part.nillable => 0,
            (Some(Value::Array(items)), Occurrence::Repeatedly) => items.len(),
            (Some(_), _) => 1,
        };
        all.saturating_sub(slot.written)
    }

    /// The value of the next element of a part.
    pub(super) fn next(&mut self, at: usize, part: &MessagePart) -> Option<&'v Value> {
        if self.left(at, part) == 0 || !self.is_next(at, part) {
            return None;
        }
        if let Some(order) = self.order.as_mut().filter(|_| part.kind == PartKind::Element) {
            order.pop_front();
        }
        let slot = self.slots.get_mut(at)?;
        let value = match (slot.value?, part.occurs) {
            (Value::Array(items), Occurrence::Repeatedly) => items.get(slot.written)?,
            (value, _) => value,
        };
        slot.written += 1;
        Some(value)
    }

    /// Whether anything is left for a particle.
    pub(super) fn has(&self, record: &RecordType, particle: &Particle) -> bool {
        match particle {
            Particle::Part(at, _) => {
                record.parts.get(*at).is_some_and(|part| self.left(*at, part) > 0 && self.is_next(*at, part))
            }
            Particle::Sequence(_, inside) | Particle::Choice(_, inside) => inside.iter().any(|it| self.has(record, it)),
            Particle::Wildcard => {
                let is_given =
                    |(at, part): (usize, &MessagePart)| part.kind == PartKind::Wildcard && self.left(at, part) > 0;
                (record.entry.is_none() && !self.further.is_empty()) || record.parts.iter().enumerate().any(is_given)
            }
        }
    }

    /// Whether a value that is not nil is left for a particle.
    pub(super) fn has_value(&self, record: &RecordType, particle: &Particle) -> bool {
        match particle {
            Particle::Part(at, _) => self.has(record, particle) && !self.is_nil(*at),
            Particle::Sequence(_, inside) | Particle::Choice(_, inside) => {
                inside.iter().any(|it| self.has_value(record, it))
            }
            Particle::Wildcard => self.has(record, particle),
        }
    }

    /// The first position among the given members of what is left for a particle.
    pub(super) fn order(&self, record: &RecordType, particle: &Particle) -> usize {
        match particle {
            Particle::Part(at, _) if self.has(record, particle) => {
                self.slots.get(*at).map_or(usize::MAX, |it| it.order)
            }
            Particle::Sequence(_, inside) | Particle::Choice(_, inside) => {
                inside.iter().map(|it| self.order(record, it)).min().unwrap_or(usize::MAX)
            }
            _ => usize::MAX,
        }
    }

    /// Whether an alternative has a place for everything that is left for all of them.
    pub(super) fn covers(&self, record: &RecordType, alternative: &Particle, all: &[Particle]) -> bool {
        let mut own = Vec::new();
        parts_of(alternative, &mut own);
        let mut needed = Vec::new();
        all.iter().for_each(|it| parts_of(it, &mut needed));
        let is_left =
            |at: &usize| record.parts.get(*at).is_some_and(|part| self.left(*at, part) > 0 && !self.is_nil(*at));
        needed.into_iter().filter(is_left).all(|at| own.contains(&at))
    }
}

fn parts_of(particle: &Particle, to: &mut Vec<usize>) {
    match particle {
        Particle::Part(at, _) => to.push(*at),
        Particle::Sequence(_, inside) | Particle::Choice(_, inside) => inside.iter().for_each(|it| parts_of(it, to)),
        Particle::Wildcard => {}
    }
}

/// The first part in a particle.
pub(super) fn first_part(particle: &Particle) -> Option<usize> {
    match particle {
        Particle::Part(at, _) => Some(*at),
        Particle::Sequence(_, inside) | Particle::Choice(_, inside) => inside.iter().find_map(first_part),
        Particle::Wildcard => None,
    }
}

/// Whether a message may have nothing for a particle.
pub(super) fn can_be_absent(particle: &Particle) -> bool {
    match particle {
        Particle::Part(_, range) => range.min == 0,
        Particle::Sequence(range, inside) => range.min == 0 || inside.iter().all(can_be_absent),
        Particle::Choice(range, inside) => range.min == 0 || inside.iter().any(can_be_absent),
        Particle::Wildcard => true,
    }
}
