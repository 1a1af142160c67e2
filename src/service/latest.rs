//! A description that is made from others, and made again when one of them has changed.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::model::interface::Interface;

/// The latest description, and those that it was made from.
#[derive(Default)]
pub(crate) struct Latest(ArcSwapOption<Made>);

struct Made {
    sources: Vec<Arc<Interface>>,
    interface: Arc<Interface>,
}

impl Latest {
    /// The description made from these others. `make` is called if one of them is not the one of last time.
    pub(crate) fn get(
        &self,
        sources: impl Iterator<Item = Arc<Interface>>,
        make: impl FnOnce(&[Arc<Interface>]) -> Interface,
    ) -> Arc<Interface> {
        let sources: Vec<_> = sources.collect();
        if let Some(made) = self.0.load().as_deref() {
            let is_same =
                |(own, current): (&Arc<Interface>, &Arc<Interface>)| Arc::ptr_eq(own, current) || own == current;
            if made.sources.len() == sources.len() && made.sources.iter().zip(&sources).all(is_same) {
                return made.interface.clone();
            }
        }
        let interface = Arc::new(make(&sources));
        self.0.store(Some(Arc::new(Made { sources, interface: interface.clone() })));
        interface
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use super::*;

    fn titled(number: usize) -> Arc<Interface> {
        Arc::new(Interface { title: number.to_string(), ..Interface::default() })
    }

    fn made(latest: &Latest, source: &Arc<Interface>) -> Arc<Interface> {
        latest.get([source.clone()].into_iter(), |sources| Interface {
            doc: sources[0].title.clone(),
            ..Interface::default()
        })
    }

    #[test]
    fn a_description_is_made_once_for_each_change() {
        let (latest, zero) = (Latest::default(), titled(0));
        let first = made(&latest, &zero);
        assert!(Arc::ptr_eq(&first, &made(&latest, &zero)), "nothing has changed");
        assert!(Arc::ptr_eq(&first, &made(&latest, &titled(0))), "another `Arc` of the same");
        assert_eq!(made(&latest, &titled(1)).doc, "1");
        assert_eq!((made(&latest, &zero).doc.as_str(), first.doc.as_str()), ("0", "0"));
    }

    #[test]
    fn only_the_newest_of_3000_descriptions_is_kept() {
        let latest = Latest::default();
        let weak: Vec<Weak<Interface>> =
            (0..3000).map(|number| Arc::downgrade(&made(&latest, &titled(number)))).collect();
        assert_eq!(weak.iter().filter(|weak| weak.strong_count() > 0).count(), 1);
        assert_eq!(weak.last().unwrap().upgrade().unwrap().doc, "2999");
    }
}
