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

    fn with_database(&self, work: impl FnOnce(&Database) -> Result<(), redb::Error>) -> Result<(), BoxError> {
        let failed = |reason: String| QuotaFileError { path: self.path.clone(), reason };
        let mut place = lock(&self.database);
        let database = match place.take() {
            Some(database) => database,
            None => guarded(|| open(&self.path)).and_then(|opened| opened).map_err(failed)?,
        };
        let done = guarded(|| work(&database));
        match done {
            Ok(Ok(())) => {
                *place = Some(database);
                Ok(())
            }
            Ok(Err(error)) => {
                guarded(|| drop(database))?;
                Err(failed(error.to_string()).into())
            }
            Err(reason) => {
                guarded(|| drop(database))?;
                Err(failed(reason).into())
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
        DatabaseError::Storage(StorageError::Io(error)) if error.kind() != io::ErrorKind::InvalidData => {
            error.to_string()
        }
        _ => DAMAGED.to_owned(),
    }
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
