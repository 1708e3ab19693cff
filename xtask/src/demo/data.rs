//! Where the flight records come from: the npm package vega-datasets, kept under target/demo.

use std::fs;
use std::path::{Path, PathBuf};

use crate::run::{Failure, output, root, run};

const PACKAGE: &str = "vega-datasets@3.2.1";
const ARCHIVE: &str = "vega-datasets-3.2.1.tgz";

/// The path of a data file of the package, fetched when it is not there yet.
pub fn fetch(name: &str) -> Result<PathBuf, Failure> {
    let directory = root().join("target/demo");
    let path = directory.join(name);
    if path.exists() {
        return Ok(path);
    }
    fs::create_dir_all(&directory)?;
    let archive = directory.join(ARCHIVE);
    if !archive.exists() {
        download(&directory)?;
    }
    let content = extract(&archive, name).inspect_err(|_| drop(fs::remove_file(&archive)))?;
    // Under its name only once it is whole.
    let part = directory.join(format!("{name}.part"));
    fs::write(&part, content)?;
    fs::rename(part, &path)?;
    Ok(path)
}

fn download(directory: &Path) -> Result<(), Failure> {
    let directory = directory.display().to_string();
    run("npm", &["pack", "--silent", "--pack-destination", &directory, PACKAGE], &[]).map_err(|failure| {
        format!("{failure}\nnpm is needed to fetch {PACKAGE}; a copy of its data/flights-20k.json may be given by --file PATH")
            .into()
    })
}

fn extract(archive: &Path, name: &str) -> Result<Vec<u8>, Failure> {
    let (archive, member) = (archive.display().to_string(), format!("package/data/{name}"));
    let extracted = output("tar", &["-xzOf", &archive, &member]);
    extracted.map_err(|failure| format!("{archive} cannot be read, and was removed; try again: {failure}").into())
}
