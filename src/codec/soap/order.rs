//! The order of elements in a content model.

use super::binding::{Particle, RecordType};

/// The order in which the writer of calls writes a struct without [`ORDER`](super::binding::ORDER), as indexes of parts. `counts` is
/// the number of elements of each part.
///
/// It follows `BindingWriter::particle`; the test `the_order_of_repeated_groups_comes_with_responses` compares both.
pub(super) fn written_order(record: &RecordType, counts: Vec<usize>) -> Vec<usize> {
    let mut writer = OrderWriter { left: counts, order: Vec::new() };
    record.particles.iter().for_each(|particle| writer.particle(particle));
    writer.order
}

struct OrderWriter {
    left: Vec<usize>,
    order: Vec<usize>,
}

impl OrderWriter {
    fn particle(&mut self, particle: &Particle) {
        match particle {
            Particle::Part(at, range) => {
                let Some(left) = self.left.get_mut(*at) else { return };
                let count = (*left).min(usize::try_from(range.max).unwrap_or(usize::MAX));
                *left -= count;
                self.order.extend(std::iter::repeat_n(*at, count));
            }
            Particle::Sequence(range, inside) => self.rounds(range.max, |writer| {
                inside.iter().for_each(|it| writer.particle(it));
            }),
            Particle::Choice(range, inside) => self.rounds(range.max, |writer| {
                let next = inside.iter().filter_map(|it| Some((writer.first(it)?, it))).min_by_key(|(first, _)| *first);
                if let Some((_, alternative)) = next {
                    writer.particle(alternative);
                }
            }),
            Particle::Wildcard => {}
        }
    }

    /// Repeats a group until it takes nothing more.
    fn rounds(&mut self, most: u32, mut round: impl FnMut(&mut OrderWriter)) {
        for _ in 0..most {
            let before = self.order.len();
            round(self);
            if self.order.len() == before {
                return;
            }
        }
    }

    /// The first part of a particle of which something is left.
    fn first(&self, particle: &Particle) -> Option<usize> {
        match particle {
            Particle::Part(at, _) => self.left.get(*at).filter(|left| **left > 0).map(|_| *at),
            Particle::Sequence(_, inside) | Particle::Choice(_, inside) => {
                inside.iter().filter_map(|it| self.first(it)).min()
            }
            Particle::Wildcard => None,
        }
    }
}
