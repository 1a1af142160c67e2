//! TLS that is in use, and that follows its files.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use http::HeaderValue;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_rustls::rustls::ServerConfig;

use super::certificate::Validity;
use super::files::{LoadedTls, TlsFileError, TlsFiles};
use super::settings::TlsSettings;
use crate::service::lock::lock;

/// The time between two looks at the files.
const POLL: Duration = Duration::from_secs(5);
/// How long to wait before files are read again that do not fit together: they may be replaced one after the other.
const SETTLE: Duration = Duration::from_secs(1);
/// The time between two warnings of a certificate that is about to expire.
const WARNING_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// TLS for the clients of a listener, with the certificates that were read last.
///
/// Clones share them. While a server runs that has it, changed files are read again within a few seconds. Files that cannot
/// be used change nothing, and are logged as an error.
#[derive(Clone)]
pub struct ServerTls(Arc<TlsState>);

struct TlsState {
    settings: TlsSettings,
    hsts: Option<HeaderValue>,
    current: ArcSwap<LoadedTls>,
    /// The fingerprint of the files that were read last, whether they could be used or not.
    seen: AtomicU64,
    /// Why the files as they are now cannot be used.
    error: Mutex<Option<String>>,
    /// Whether there is a task that follows the files.
    is_followed: AtomicBool,
}

/// A certificate with which a server proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedCertificate {
    /// Its file.
    pub file: PathBuf,
    /// When it is valid.
    pub validity: Validity,
    /// What an operator should know of it, such as `expires in 3 days`.
    pub warnings: Vec<String>,
}

impl ServerTls {
    /// Reads the files. Call it where a thread may wait: each file may take three seconds.
    ///
    /// # Errors
    /// If a file cannot be read or does not hold what it should, or a key is not that of its certificate. A certificate
    /// that has expired is not an error: see [`certificates`](ServerTls::certificates).
    pub fn load(settings: &TlsSettings) -> Result<ServerTls, TlsFileError> {
        let files = TlsFiles::read(settings)?;
        let loaded = LoadedTls::new(settings, &files)?;
        let hsts = settings.hsts.and_then(|age| HeaderValue::from_str(&format!("max-age={}", age.0.as_secs())).ok());
        Ok(ServerTls(Arc::new(TlsState {
            settings: settings.clone(),
            hsts,
            current: ArcSwap::from_pointee(loaded),
            seen: AtomicU64::new(files.fingerprint()),
            error: Mutex::default(),
            is_followed: AtomicBool::new(false),
        })))
    }

    /// The settings.
    pub fn settings(&self) -> &TlsSettings {
        &self.0.settings
    }

    /// The certificates of the server, in the order of the settings.
    pub fn certificates(&self) -> Vec<ServedCertificate> {
        let loaded = self.0.current.load();
        let files = self.0.settings.all_certificates();
        let served = files.into_iter().zip(&loaded.certificates).map(|(files, loaded)| ServedCertificate {
            file: files.certificate,
            validity: loaded.validity,
            warnings: loaded.warnings(),
        });
        served.collect()
    }

    /// Why the files as they are now cannot be used. Those that were read before are used meanwhile.
    pub fn error(&self) -> Option<String> {
        lock(&self.0.error).clone()
    }

    /// Reads the files again if they have changed. Handshakes that begin afterwards use what they hold. Returns whether
    /// anything has changed. Call it where a thread may wait.
    ///
    /// # Errors
    /// As [`load`](ServerTls::load). Nothing changes then.
    pub fn refresh(&self) -> Result<bool, TlsFileError> {
        let files = TlsFiles::read(&self.0.settings)?;
        let fingerprint = files.fingerprint();
        if self.0.seen.load(Relaxed) == fingerprint && lock(&self.0.error).is_none() {
            return Ok(false);
        }
        self.0.current.store(Arc::new(LoadedTls::new(&self.0.settings, &files)?));
        self.0.seen.store(fingerprint, Relaxed);
        *lock(&self.0.error) = None;
        Ok(true)
    }

    /// The configuration for a handshake.
    pub(in crate::server) fn config(&self) -> Arc<ServerConfig> {
        self.0.current.load().config.clone()
    }

    /// The header by which browsers remember to use https.
    pub(in crate::server) fn hsts(&self) -> Option<HeaderValue> {
        self.0.hsts.clone()
    }

    /// Follows the files, as long as something else holds the TLS. Has to be called inside a tokio runtime.
    pub(in crate::server) fn follow_files(&self, listener: String) {
        if !self.0.is_followed.swap(true, Relaxed) {
            tokio::spawn(follow(Arc::downgrade(&self.0), listener));
        }
    }

    /// Refreshes and logs what has happened.
    pub(crate) fn refresh_and_log(&self, listener: &str) {
        let refreshed = self.refresh().or_else(|error| {
            if lock(&self.0.error).is_some() {
                return Err(error);
            }
            std::thread::sleep(SETTLE);
            self.refresh()
        });
        match refreshed {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!(listener, "the certificates have been read again");
                self.log_warnings(listener);
            }
            Err(error) => {
                let reason = error.to_string();
                let before = lock(&self.0.error).replace(reason.clone());
                if before.as_ref() != Some(&reason) {
                    tracing::error!(listener, "the certificates stay as they were: {reason}");
                }
            }
        }
    }

    fn log_warnings(&self, listener: &str) {
        for ServedCertificate { file, validity, .. } in self.certificates() {
            if let Some(warning) = validity.warning(SystemTime::now()) {
                tracing::warn!(listener, "the certificate in `{}` {warning}", file.display());
            }
        }
    }
}

/// Looks at the files again and again.
async fn follow(tls: Weak<TlsState>, listener: String) {
    let mut warned = Instant::now();
    loop {
        sleep(POLL).await;
        let Some(state) = tls.upgrade() else { return };
        let (tls, of_listener) = (ServerTls(state), listener.clone());
        let has_to_warn = warned.elapsed() >= WARNING_INTERVAL;
        if has_to_warn {
            warned = Instant::now();
        }
        let looked = spawn_blocking(move || {
            if has_to_warn {
                tls.log_warnings(&of_listener);
            }
            tls.refresh_and_log(&of_listener);
        });
        // An error means that the runtime ends.
        if looked.await.is_err() {
            return;
        }
    }
}

impl PartialEq for ServerTls {
    /// Whether both are the same, not whether their files are.
    fn eq(&self, other: &ServerTls) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}
