//! Downloads a file into the cache: resumes where an earlier attempt or an earlier fetch stopped, and checks the result.
//!
//! A download ends: it may break off [`BREAKS_MAX`] times and begin anew once, whatever it receives in between.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::cache::{CachedModel, has_digest, is_intact, open_plain};
use super::client::{HubClient, RemoteFile, body_of, text};
use super::event::{CachedFiles, DownloadProgress};
use crate::error::HubFault;
use crate::{Error, Result};

/// Attempts of one download that may break off.
const BREAKS_MAX: usize = 5;

/// Why an attempt to download failed.
enum AttemptError {
    /// The connection broke: another attempt may continue from here.
    Broken(String),
    /// What is on disk is useless: another attempt begins anew.
    Useless(String),
    /// Another attempt would fail too.
    Final(Error),
}

impl HubClient<'_> {
    /// Downloads one file into a snapshot, unless it is there.
    pub(super) fn download_into(
        &mut self,
        cached: &CachedModel,
        commit: &str,
        file: &str,
        cached_files: CachedFiles,
    ) -> Result<()> {
        let path = cached.snapshot(commit).join(file);
        let is_there = path.is_file();
        if is_there && cached_files == CachedFiles::Keep {
            return Ok(());
        }
        let remote = self.head(commit, file)?;
        let is_good = |path: &Path| cached_files != CachedFiles::Replace && is_intact(path, &remote.etag, remote.bytes);
        if is_good(&path) {
            return Ok(());
        }
        let blob = cached.blob(&remote.etag);
        let _lock = cached.lock(&remote.etag, &mut |text| self.notice(text))?;
        if !is_good(&blob) {
            if is_there && cached_files == CachedFiles::Check {
                self.notice(&format!("`{file}` in the cache is damaged: downloading it again"));
            }
            // ETags may contain dots, so the extension is appended.
            let partial = cached.blob(&format!("{}.incomplete", remote.etag));
            let mut output = open_plain(&partial)?;
            if cached_files == CachedFiles::Replace {
                restart(&mut output).map_err(Error::write(&partial))?;
            }
            self.download(file, &remote, &partial, &mut output)?;
            fs::rename(&partial, &blob).map_err(Error::write(&blob))?;
        }
        cached.link(&remote.etag, commit, file)
    }

    fn download(&mut self, file: &str, remote: &RemoteFile, partial: &Path, output: &mut File) -> Result<()> {
        let (mut breaks, mut begins_anew) = (0, false);
        loop {
            let message = match self.attempt(file, remote, partial, output) {
                Ok(()) => return Ok(()),
                Err(AttemptError::Final(error)) => return Err(error),
                Err(AttemptError::Useless(message)) => {
                    restart(output).map_err(Error::write(partial))?;
                    if begins_anew {
                        return Err(self.strange(format!("`{file}`: {message}, twice")));
                    }
                    begins_anew = true;
                    message
                }
                Err(AttemptError::Broken(message)) => {
                    breaks += 1;
                    if breaks == BREAKS_MAX {
                        let done = output.metadata().map_err(Error::write(partial))?.len();
                        let stopped = format!("the download of `{file}` broke off after {done} of {}", remote.bytes);
                        let what = format!("{stopped} bytes, {breaks} times in all ({message})");
                        return Err(self.cannot(HubFault::Interrupted, what));
                    }
                    message
                }
            };
            self.notice(&format!("`{file}`: {message}: trying again"));
        }
    }

    /// One attempt to download the missing part of a file.
    fn attempt(
        &mut self,
        file: &str,
        remote: &RemoteFile,
        partial: &Path,
        output: &mut File,
    ) -> Result<(), AttemptError> {
        let disk = |source| AttemptError::Final(Error::write(partial)(source));
        let network = |e: &dyn std::fmt::Display| AttemptError::Broken(e.to_string());
        let bytes_total = remote.bytes;
        let mut done = output.seek(SeekFrom::End(0)).map_err(disk)?;
        if done > bytes_total {
            done = restart(output).map_err(disk)?;
        }
        self.report(DownloadProgress { file, bytes_done: done, bytes_total });
        if done < bytes_total {
            let response = self.request(remote, (done > 0).then_some(done)).map_err(|e| network(&e))?;
            let range = text(response.headers(), "content-range").unwrap_or_default();
            let continues = range.starts_with(&format!("bytes {done}-")) && range.ends_with(&format!("/{bytes_total}"));
            match response.status().as_u16() {
                206 if continues => {}
                200 => done = restart(output).map_err(disk)?,
                206 | 416 => return Err(AttemptError::Useless(format!("the server does not continue at byte {done}"))),
                status => {
                    let refused = self.check(&response, Some(file)).err();
                    let strange = || self.strange(format!("it answers with status {status}"));
                    return Err(AttemptError::Final(refused.unwrap_or_else(strange)));
                }
            }
            self.check(&response, Some(file)).map_err(AttemptError::Final)?;
            let mut body = body_of(response).take(bytes_total - done + 1); // one more shows that it is too long
            let mut buffer = vec![0; 1 << 16];
            loop {
                let count = body.read(&mut buffer).map_err(|e| network(&e))?;
                if count == 0 {
                    break;
                }
                output.write_all(&buffer[..count]).map_err(disk)?;
                done += count as u64;
                self.report(DownloadProgress { file, bytes_done: done.min(bytes_total), bytes_total });
            }
        }
        if done < bytes_total {
            return Err(AttemptError::Broken("the connection ended early".to_owned()));
        }
        if done > bytes_total {
            return Err(AttemptError::Useless(format!("more comes than the {bytes_total} bytes that it has")));
        }
        output.sync_data().map_err(disk)?; // a blob gets its name when it is whole on disk
        if !has_digest(partial, &remote.etag) {
            return Err(AttemptError::Useless("what came does not have the SHA-256 that the hub names".to_owned()));
        }
        Ok(())
    }
}

fn restart(output: &mut File) -> io::Result<u64> {
    output.set_len(0)?;
    output.seek(SeekFrom::Start(0))
}
