//! What the system says of this process.

/// Resident memory in bytes, as Linux has it in `/proc/self/status`; 0 on systems that have no such file.
pub fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| kibibytes(line.strip_prefix("VmRSS:")?)).map_or(0, |kib| kib << 10)
}

/// `   1234 kB`; by `kB` it means KiB.
fn kibibytes(text: &str) -> Option<u64> {
    text.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_status_file_is_read() {
        assert_eq!(kibibytes("\t   12345 kB"), Some(12_345));
        assert_eq!(kibibytes("none"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_has_memory() {
        assert!(resident_bytes() > 1 << 20);
    }
}
