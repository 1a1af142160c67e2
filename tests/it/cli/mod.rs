//! The program, run as a process.

mod access_log;
mod add;
mod admin;
mod commands;
#[cfg(unix)]
mod reload;
mod streams;
#[cfg(unix)]
mod systemd;
