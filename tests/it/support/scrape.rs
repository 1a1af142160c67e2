//! Metrics as Prometheus reads them.
use std::collections::{BTreeMap, BTreeSet};

/// The text of a scrape.
pub(crate) struct Scrape(pub(crate) String);

impl Scrape {
    /// The series with their values.
    pub(crate) fn series(&self) -> BTreeMap<&str, f64> {
        let lines = self.0.lines().filter(|line| !line.starts_with('#'));
        let series = lines.map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value in {line:?}"));
            (series, value.parse().unwrap_or_else(|_| panic!("no number in {line:?}")))
        });
        series.collect()
    }

    /// The sum of all series of this name that have these labels, each written as `name="value"`.
    pub(crate) fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let matches = |series: &str| {
            series.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
                && labels.iter().all(|label| series.contains(label))
        };
        self.series().into_iter().filter(|(series, _)| matches(series)).map(|(_, value)| value).sum()
    }

    /// The metrics: the type and the labels of each.
    pub(crate) fn families(&self) -> BTreeMap<&str, (&str, BTreeSet<&str>)> {
        let types = self.0.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        let mut families: BTreeMap<_, _> = types.map(|(name, kind)| (name, (kind, BTreeSet::new()))).collect();
        for series in self.series().into_keys() {
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let own = |suffix: &str| name.strip_suffix(suffix).filter(|name| families.contains_key(name));
            let name = ["_bucket", "_sum", "_count"].into_iter().find_map(own).unwrap_or(name);
            let (_, known) = families.get_mut(name).unwrap_or_else(|| panic!("{name} has no type"));
            let names = labels.split("\",").filter_map(|label| Some(label.split_once('=')?.0));
            known.extend(names.filter(|label| *label != "le"));
        }
        families
    }
}
