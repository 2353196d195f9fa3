//! The resident memory of the program, now and at its highest: known on Linux, `None` elsewhere.

use std::fs;

/// The highest size since the last reset.
#[derive(Debug, Default)]
pub struct PeakMemory {
    resets: usize,
    refused: bool,
}

impl PeakMemory {
    /// Starts a new measurement, where the kernel allows it (proc(5), `clear_refs`).
    pub fn reset(&mut self) {
        self.refused = fs::write("/proc/self/clear_refs", "5").is_err();
        self.resets += 1;
    }

    /// Bytes. `None` where the size is unknown, or a refused reset means that it includes an earlier measurement.
    pub fn read(&self) -> Option<u64> {
        if self.refused && self.resets > 1 {
            return None;
        }
        stated("VmHWM:", &fs::read_to_string("/proc/self/status").ok()?)
    }
}

/// Bytes that are resident now.
pub fn resident() -> Option<u64> {
    stated("VmRSS:", &fs::read_to_string("/proc/self/status").ok()?)
}

/// A size in `/proc/self/status`, in bytes: `VmHWM:` is the high-water mark of resident memory.
fn stated(name: &str, status: &str) -> Option<u64> {
    let stated = status.lines().find_map(|line| line.strip_prefix(name))?;
    stated.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_read() {
        for (status, bytes) in [
            ("Name:\tx\nVmPeak:\t 9 kB\nVmHWM:\t  1644 kB\nVmRSS:\t 7 kB\n", Some(1644 * 1024)),
            ("VmHWM:\t many kB\n", None),
            ("VmHWM:\t99999999999999999999 kB\n", None),
            ("", None),
        ] {
            assert_eq!(stated("VmHWM:", status), bytes, "{status:?}");
        }
    }

    #[test]
    fn what_could_not_be_reset_counts_once() {
        let known = PeakMemory { resets: 1, refused: true }.read();
        assert_eq!(known.is_some(), cfg!(target_os = "linux"));
        assert_eq!(PeakMemory { resets: 2, refused: true }.read(), None);
    }
}
