//! Puts arguments at the places of their parameters.

use std::borrow::Cow;

use super::position::too_many;
use super::{ArgumentError, twice};

/// Arguments by position at the places of `count` parameters; `None` for each that is omitted at the end.
pub(super) fn by_position<T>(
    count: usize,
    given: impl ExactSizeIterator<Item = T>,
) -> Result<Vec<Option<T>>, ArgumentError> {
    if given.len() > count {
        return Err(too_many(count, given.len()));
    }
    let mut placed: Vec<_> = given.map(Some).collect();
    placed.resize_with(count, || None);
    Ok(placed)
}

/// Arguments by name at the places of their parameters; `None` for each that is omitted.
pub(super) fn by_name<'n, P, T>(
    params: &[P],
    name_of: fn(&P) -> &str,
    given: impl Iterator<Item = (Cow<'n, str>, T)>,
) -> Result<Vec<Option<T>>, ArgumentError> {
    let mut placed: Vec<Option<T>> = Vec::new();
    placed.resize_with(params.len(), || None);
    for (name, arg) in given {
        let index = params.iter().position(|param| name_of(param) == name);
        let Some(place) = index.and_then(|index| placed.get_mut(index)) else {
            return Err(ArgumentError::unknown(&name, params.iter().map(name_of)));
        };
        if place.replace(arg).is_some() {
            return Err(ArgumentError::new(twice(&name)).with_parameter(&name));
        }
    }
    Ok(placed)
}
