//! A store of quotas in a file.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use redb::{Builder, Database, DatabaseError, ReadableTable as _, StorageError, TableDefinition, TableError};

use crate::model::fault::BoxError;
use crate::service::lock::lock;
use crate::service::quota::{CallerId, PeriodUnit, QuotaChanges, QuotaPeriod, QuotaStore, StoredCount};

/// By scope and caller: the unit of the period, its number, and the calls.
const COUNTS: TableDefinition<(&str, u128), (u8, u32, u64)> = TableDefinition::new("counts");

/// How much of the file is held in memory. Each count is read once.
const CACHE: usize = 4 << 20;

/// Keeps the counts of quotas in a file, which one process may use at a time.
///
/// Changes are written all or none: a process that is killed while it writes leaves the counts from before. The file has no
/// names and addresses of callers, only hashes of them. Still, addresses can be found from their hashes by trying all, so
/// only the user of the server may read the file.
pub struct FileQuotaStore {
    path: PathBuf,
    /// `None` after an error. redb refuses all work after an error of the disk, so the file is opened anew.
    database: Mutex<Option<Database>>,
}

/// A file of quotas cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` cannot be used: {reason}", path.display())]
pub struct QuotaFileError {
    /// The file.
    pub path: PathBuf,
    /// Why not.
    pub reason: String,
}

const DAMAGED: &str = "it is damaged, or is no file of quotas; move it away, and the server begins with full quotas";

impl FileQuotaStore {
    /// Opens a file, or makes it. After a crash this takes longer, because the file is checked. Blocks.
    ///
    /// # Errors
    /// If the file is in use by another process, is damaged, or cannot be read and written, and if its folder does not exist.
    pub fn open(path: &Path) -> Result<FileQuotaStore, QuotaFileError> {
        let error = |reason: String| QuotaFileError { path: path.to_owned(), reason };
        let opened = guarded(|| open_sound(path)).and_then(|opened| opened);
        let database = opened.map_err(error)?;
        Ok(FileQuotaStore { path: path.to_owned(), database: Mutex::new(Some(database)) })
    }

    fn with_database(&self, work: impl FnOnce(&Database) -> Result<(), BoxError>) -> Result<(), BoxError> {
        let failed = |reason: String| QuotaFileError { path: self.path.clone(), reason };
        let mut place = lock(&self.database);
        let database = match place.take() {
            Some(database) => database,
            None => guarded(|| open(&self.path)).and_then(|opened| opened).map_err(failed)?,
        };
        match guarded(|| work(&database)).unwrap_or_else(|reason| Err(reason.into())) {
            Ok(()) => {
                *place = Some(database);
                Ok(())
            }
            Err(error) => {
                guarded(|| drop(database))?;
                Err(failed(error.to_string()).into())
            }
        }
    }
}

/// Runs work on a database, which panics where it finds a file damaged that passed its checks.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| DAMAGED.to_owned())
}

/// Opens or makes a file, and checks all of it.
fn open_sound(path: &Path) -> Result<Database, String> {
    let mut database = open(path)?;
    match database.check_integrity() {
        Ok(true) => {}
        Ok(false) => {
            let file = path.display().to_string();
            tracing::warn!(file, "the file of quotas was damaged and has been repaired; some counts may be lost");
        }
        Err(error) => return Err(reason(&error)),
    }
    // A table of another form belongs to another program.
    let read = database.begin_read().map_err(|error| error.to_string())?;
    match read.open_table(COUNTS) {
        Ok(_) | Err(TableError::TableDoesNotExist(_)) => {}
        Err(error) => return Err(format!("{DAMAGED} ({error})")),
    }
    drop(read);
    Ok(database)
}

fn open(path: &Path) -> Result<Database, String> {
    let file = open_file(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            let folder = path.parent().unwrap_or(Path::new(""));
            format!("there is no folder `{}`", folder.display())
        }
        io::ErrorKind::PermissionDenied => {
            "the user of the server may not read and write it, or make a file in its folder".to_owned()
        }
        _ => error.to_string(),
    })?;
    // The older format is the default, but later versions of redb do not read it.
    Builder::new()
        .create_with_file_format_v3(true)
        .set_cache_size(CACHE)
        .create_file(file)
        .map_err(|error| reason(&error))
}

fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

fn reason(error: &DatabaseError) -> String {
    match error {
        DatabaseError::DatabaseAlreadyOpen => {
            "it is in use by another process; each server needs a file of its own".to_owned()
        }
        DatabaseError::Storage(StorageError::Io(error)) if !is_about_content(error) => error.to_string(),
        _ => DAMAGED.to_owned(),
    }
}

/// Whether the content of the file is wrong or missing, and not the disk.
fn is_about_content(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

fn unit_byte(unit: PeriodUnit) -> u8 {
    match unit {
        PeriodUnit::Day => b'd',
        PeriodUnit::Month => b'm',
    }
}

/// The period of a stored count; `None` if it is none.
fn period(unit: u8, number: u32) -> Option<QuotaPeriod> {
    let unit = [PeriodUnit::Day, PeriodUnit::Month].into_iter().find(|known| unit_byte(*known) == unit)?;
    Some(QuotaPeriod { unit, number })
}

impl QuotaStore for FileQuotaStore {
    fn load(&self, scope: &str, each: &mut dyn FnMut(StoredCount)) -> Result<(), BoxError> {
        self.with_database(|database| {
            let table = match database.begin_read()?.open_table(COUNTS) {
                Ok(table) => table,
                Err(TableError::TableDoesNotExist(_)) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            for found in table.range((scope, 0)..=(scope, u128::MAX))? {
                let (key, value) = found?;
                let (unit, number, calls) = value.value();
                if let Some(period) = period(unit, number) {
                    each(StoredCount { caller: CallerId(key.value().1), period, calls });
                }
            }
            Ok(())
        })
    }

    fn save(&self, changes: &mut [QuotaChanges]) -> Result<(), BoxError> {
        self.with_database(|database| {
            let write = database.begin_write()?;
            {
                let mut table = write.open_table(COUNTS)?;
                for QuotaChanges { scope, forgotten, counts } in changes {
                    for caller in forgotten {
                        table.remove((&**scope, caller.0))?;
                    }
                    for change in counts {
                        let key = (&**scope, change.caller.0);
                        let stored = table.get(key)?.and_then(|stored| {
                            let (unit, number, calls) = stored.value();
                            Some((period(unit, number)?, calls))
                        });
                        change.add_to(stored);
                        let QuotaPeriod { unit, number } = change.period;
                        table.insert(key, (unit_byte(unit), number, change.total))?;
                    }
                }
            }
            write.commit()?;
            Ok(())
        })
    }

    fn remove(&self, is_over: &dyn Fn(QuotaPeriod) -> bool) -> Result<(), BoxError> {
        self.with_database(|database| {
            let write = database.begin_write()?;
            write
                .open_table(COUNTS)?
                .retain(|_, (unit, number, _)| period(unit, number).is_some_and(|p| !is_over(p)))?;
            write.commit()?;
            Ok(())
        })
    }
}

impl fmt::Debug for FileQuotaStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileQuotaStore").field("path", &self.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use super::*;
    use crate::service::quota::CountChange;

    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Folder {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let name = format!("croupier-quotas-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
            let folder = std::env::temp_dir().join(name);
            std::fs::create_dir(&folder).unwrap();
            Folder(folder)
        }

        fn file(&self) -> PathBuf {
            self.0.join("quotas.redb")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// The bytes of a page of the file.
    const PAGE: usize = 4096;

    const MONTH: QuotaPeriod = QuotaPeriod { unit: PeriodUnit::Month, number: 682 };

    fn change(caller: u128, period: QuotaPeriod, added: u64) -> CountChange {
        CountChange { caller: CallerId(caller), period, added, total: added }
    }

    fn changes(scope: &str, forgotten: &[u128], counts: Vec<CountChange>) -> QuotaChanges {
        QuotaChanges { scope: scope.into(), forgotten: forgotten.iter().map(|id| CallerId(*id)).collect(), counts }
    }

    fn loaded(store: &FileQuotaStore, scope: &str) -> Vec<(u128, u64)> {
        let mut all = Vec::new();
        store.load(scope, &mut |count| all.push((count.caller.0, count.calls))).unwrap();
        all
    }

    fn reason(path: &Path) -> String {
        FileQuotaStore::open(path).unwrap_err().to_string()
    }

    #[test]
    fn counts_are_found_again_by_their_scopes() {
        let folder = Folder::new();
        let store = FileQuotaStore::open(&folder.file()).unwrap();
        assert_eq!(loaded(&store, "/a day client"), []);
        let day = QuotaPeriod { unit: PeriodUnit::Day, number: 20_000 };
        let mut all = [
            changes("/a day client", &[], vec![change(1, day, 5), change(u128::MAX, day, 6), change(2, day, 9)]),
            changes("/a month client", &[], vec![change(1, MONTH, 7)]),
        ];
        store.save(&mut all).unwrap();
        let mut more = [changes("/a day client", &[2], vec![change(1, day, 10), change(3, day, 1)])];
        store.save(&mut more).unwrap();
        assert_eq!(more[0].counts[0].total, 15);
        drop(store);

        let store = FileQuotaStore::open(&folder.file()).unwrap();
        assert_eq!(loaded(&store, "/a day client"), [(1, 15), (3, 1), (u128::MAX, 6)]);
        assert_eq!(loaded(&store, "/a month client"), [(1, 7)]);
        assert_eq!(loaded(&store, "/a"), []);
        store.remove(&|period| period == day).unwrap();
        assert_eq!((loaded(&store, "/a day client"), loaded(&store, "/a month client")), (vec![], vec![(1, 7)]));
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&folder.file().metadata().unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_file_that_cannot_be_used_is_refused_with_the_reason() {
        let folder = Folder::new();
        let store = FileQuotaStore::open(&folder.file()).unwrap();
        assert!(reason(&folder.file()).contains("it is in use by another process"));
        drop(store);
        assert!(
            reason(&folder.0.join("none/quotas.redb")).contains(&format!("no folder `{}/none`", folder.0.display()))
        );
        assert!(reason(&folder.0).contains("cannot be used: "));
        let text = folder.0.join("text");
        std::fs::write(&text, "x".repeat(10_000)).unwrap();
        assert!(reason(&text).contains(DAMAGED), "{}", reason(&text));
        assert_eq!(std::fs::read_to_string(&text).unwrap().len(), 10_000, "another file is left as it is");
    }

    #[test]
    fn a_file_that_is_damaged_is_refused_or_loses_the_last_changes() {
        let folder = Folder::new();
        let store = FileQuotaStore::open(&folder.file()).unwrap();
        let counts = (0..2000).map(|caller| change(caller, MONTH, 1)).collect();
        store.save(&mut [changes("/a month client", &[], counts)]).unwrap();
        store.save(&mut [changes("/a month client", &[], vec![change(0, MONTH, 1)])]).unwrap();
        drop(store);
        let sound = std::fs::read(folder.file()).unwrap();
        let damaged = folder.0.join("damaged");
        let open_damaged = |pages: &[usize]| {
            let mut bytes = sound.clone();
            for page in pages {
                bytes[page * PAGE + 64..][..1000].fill(0xa5);
            }
            std::fs::write(&damaged, &bytes).unwrap();
            FileQuotaStore::open(&damaged)
        };
        let is_used = |page: &usize| sound[page * PAGE..][..PAGE].iter().any(|byte| *byte != 0);
        let used: Vec<usize> = (0..sound.len() / PAGE).filter(is_used).collect();
        assert_eq!(open_damaged(&[0]).unwrap_err().reason, DAMAGED);
        assert_eq!(open_damaged(&used[1..]).unwrap_err().reason, DAMAGED);
        for page in used.iter().skip(1).step_by(used.len() / 6) {
            match open_damaged(&[*page]) {
                Err(error) => assert_eq!(error.reason, DAMAGED, "page {page}"),
                Ok(store) => assert_eq!(loaded(&store, "/a month client").len(), 2000, "page {page}"),
            }
        }
        for length in [1, 300, 5000] {
            std::fs::write(&damaged, &sound[..length]).unwrap();
            assert_eq!(FileQuotaStore::open(&damaged).unwrap_err().reason, DAMAGED, "{length} bytes");
        }
    }
}
