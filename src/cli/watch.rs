//! Finds out when files of the configuration have changed (`watch = true`).
//!
//! The system reports changes in the folders of the files, which also shows files that are replaced, and links to other
//! folders, as Kubernetes changes them. A report only makes [`Watch`] look at the files: what counts is whether they differ
//! from those that were read last. It looks every few seconds too, because some file systems report nothing. Files that still
//! change are waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::config::{NamedFiles, matching_files};
use crate::files;

/// How long the files have to stay the same before they are read.
const SETTLE: Duration = Duration::from_millis(200);
/// How often files that still change are looked at, before they are read all the same.
const MAX_LOOKS: usize = 50;
/// The time between two looks at the files without a report.
const POLL: Duration = Duration::from_secs(5);

/// How far the clock of file systems may be behind.
const CLOCK_TICK: Duration = Duration::from_millis(20);

/// The files of a configuration, and how they were when it was read.
pub(super) struct Watch {
    named: NamedFiles,
    stamps: Stamps,
    reports: mpsc::Receiver<()>,
    /// Held to be dropped, which ends the reports; `None` if the system reports nothing.
    _watcher: Option<RecommendedWatcher>,
}

/// How each file is; `None` for one that cannot be looked at.
pub(super) type Stamps = BTreeMap<PathBuf, Option<Stamp>>;

/// What changes when a file changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    /// The file itself, where the system numbers files.
    file: (u64, u64),
}

impl Watch {
    /// Watches these files. `before` has the stamps of those that were looked at before they were read; for the others,
    /// `reading_since` is when reading began.
    pub(super) async fn start(named: NamedFiles, before: Stamps, reading_since: SystemTime) -> Watch {
        let (report, reports) = mpsc::channel(1);
        let folders = folders(&named);
        let watcher = spawn_blocking(move || watcher(&folders, report)).await.ok().flatten();
        let since = reading_since.checked_sub(CLOCK_TICK).unwrap_or(reading_since);
        let mut stamps = look_at(named.clone()).await;
        for (path, stamp) in &mut stamps {
            match before.get(path) {
                Some(before) => stamp.clone_from(before),
                // It may have changed after it was read, so it is read once more.
                None if stamp.as_ref().and_then(|stamp| stamp.modified).is_some_and(|time| time >= since) => {
                    *stamp = None
                }
                None => {}
            }
        }
        Watch { named, stamps, reports, _watcher: watcher }
    }

    /// Waits until the files have changed, and then until they stay the same. May be cancelled.
    pub(super) async fn changed(&mut self) {
        loop {
            tokio::select! {
                Some(()) = self.reports.recv() => {}
                () = sleep(POLL) => {}
            }
            let mut seen = self.look().await;
            if seen == self.stamps {
                continue;
            }
            for _ in 0..MAX_LOOKS {
                sleep(SETTLE).await;
                let next = self.look().await;
                if next == seen {
                    break;
                }
                seen = next;
            }
            // They may be as before by now.
            if seen != self.stamps {
                return;
            }
        }
    }

    /// How the files are now.
    pub(super) async fn look(&self) -> Stamps {
        look_at(self.named.clone()).await
    }

    /// The files are read as they are: only a further change counts.
    pub(super) fn note(&mut self, stamps: Stamps) {
        self.stamps = stamps;
    }
}

/// How the files are now, and those that are included or would be.
async fn look_at(named: NamedFiles) -> Stamps {
    let look = move || {
        // A file system that does not respond is not worth a reload.
        files::in_bounded_time(move || {
            // A file that made the configuration invalid is not among the files of the one that is served, and its
            // correction has to count all the same.
            let included = named.patterns.iter().flat_map(|pattern| matching_files(pattern).unwrap_or_default());
            let paths: BTreeSet<PathBuf> = named.files.iter().cloned().chain(included).collect();
            paths.into_iter().map(|path| (path.clone(), stamp(&path))).collect()
        })
    };
    spawn_blocking(look).await.ok().and_then(Result::ok).unwrap_or_default()
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some(Stamp { modified: metadata.modified().ok(), length: metadata.len(), file: number(&metadata) })
}

#[cfg(unix)]
fn number(metadata: &fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;

    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn number(_: &fs::Metadata) -> (u64, u64) {
    (0, 0)
}

/// The folders in which the files are, and those in which more may be included.
fn folders(named: &NamedFiles) -> BTreeSet<PathBuf> {
    let folder = |path: &PathBuf| match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let included = named.folders.iter().map(|path| if path.as_os_str().is_empty() { ".".into() } else { path.clone() });
    named.files.iter().map(folder).chain(included).collect()
}

/// Reports changes in these folders; `None` if the system cannot, which is logged.
fn watcher(folders: &BTreeSet<PathBuf>, report: mpsc::Sender<()>) -> Option<RecommendedWatcher> {
    let handler = move |event: notify::Result<notify::Event>| {
        // Reading the files is no change of them.
        if !matches!(event, Ok(notify::Event { kind: EventKind::Access(_), .. })) {
            // If a report waits already, it is enough.
            let _ = report.try_send(());
        }
    };
    let mut watcher = notify::recommended_watcher(handler)
        .map_err(
            |error| tracing::warn!(%error, "the system cannot report changes of files; they are looked at every 5 s"),
        )
        .ok()?;
    for folder in folders {
        if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            let folder = folder.display().to_string();
            tracing::warn!(%error, folder, "a folder cannot be watched; its files are looked at every 5 s");
        }
    }
    Some(watcher)
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn folder(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("croupier-watch-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        Folder(folder)
    }

    fn named(file: &Path) -> NamedFiles {
        NamedFiles { files: vec![file.to_owned()], ..NamedFiles::default() }
    }

    async fn watch(named: NamedFiles) -> Watch {
        let later = SystemTime::now() + Duration::from_secs(60);
        Watch::start(named, Stamps::new(), later).await
    }

    #[tokio::test]
    async fn a_file_that_is_written_replaced_or_added_is_a_change() {
        let folder = folder("files");
        let (file, other) = (folder.0.join("c.toml"), folder.0.join("other.d"));
        fs::write(&file, "1").unwrap();
        let patterns = vec![format!("{}/*.d", folder.0.display())];
        let mut watch = watch(NamedFiles { patterns, folders: vec![folder.0.clone()], ..named(&file) }).await;
        for change in 0..4 {
            match change {
                0 => fs::write(&file, "22").unwrap(),
                1 => {
                    fs::write(&other, "33").unwrap();
                    fs::rename(&other, &file).unwrap();
                }
                2 => fs::write(&other, "4").unwrap(),
                _ => fs::write(&other, "55").unwrap(),
            }
            timeout(LIMIT, watch.changed()).await.unwrap();
            let stamps = watch.look().await;
            watch.note(stamps);
        }
        fs::write(folder.0.join("other.log"), "a file that is not included").unwrap();
        assert!(timeout(Duration::from_millis(600), watch.changed()).await.is_err(), "nothing has changed since");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_link_to_another_folder_is_a_change() {
        use std::os::unix::fs::symlink;

        // As Kubernetes mounts a ConfigMap.
        let folder = folder("links");
        for version in ["v1", "v2"] {
            fs::create_dir(folder.0.join(version)).unwrap();
            fs::write(folder.0.join(version).join("c.toml"), "same length").unwrap();
        }
        symlink("v1", folder.0.join("..data")).unwrap();
        symlink("..data/c.toml", folder.0.join("c.toml")).unwrap();
        let mut watch = watch(named(&folder.0.join("c.toml"))).await;
        symlink("v2", folder.0.join("..tmp")).unwrap();
        fs::rename(folder.0.join("..tmp"), folder.0.join("..data")).unwrap();
        timeout(LIMIT, watch.changed()).await.unwrap();
    }

    #[tokio::test]
    async fn a_change_between_reading_and_watching_counts() {
        let folder = folder("between");
        let file = folder.0.join("c.toml");
        fs::write(&file, "1").unwrap();
        let before = look_at(named(&file)).await;
        fs::write(&file, "22").unwrap();
        let mut watch = Watch::start(named(&file), before, SystemTime::now()).await;
        timeout(LIMIT, watch.changed()).await.unwrap();
        // A file of which nothing is known and that was changed while it was read.
        let mut watch = Watch::start(named(&file), Stamps::new(), SystemTime::UNIX_EPOCH).await;
        timeout(LIMIT, watch.changed()).await.unwrap();
    }
}
