//! Writes, for each interface, the bytes that tell the component encoder of it.
//!
//! `wit_bindgen::generate!` describes a whole world at once, so a policy that only selects would
//! have to export everything. One world an interface lets `export!` describe just the interfaces
//! that it exports; the encoder merges the descriptions. Each world exports `types` too, or the
//! component would import it.

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;

use wit_component::{StringEncoding, metadata};
use wit_parser::Resolve;

const WIT: &str = "../wit";
const PACKAGE: &str = "supercargo:policy";
const VERSION: &str = "0.1.0";
const INTERFACES: [&str; 4] = ["about", "allocation", "configuration", "inventory"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={WIT}");
    let out = env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    let mut resolve = Resolve::default();
    resolve.push_dir(WIT)?;
    let mut worlds = "package supercargo:sections;\n".to_owned();
    for interface in INTERFACES {
        worlds.push_str(&format!(
            "world only-{interface} {{\n  export {PACKAGE}/types@{VERSION};\n  \
             export {PACKAGE}/{interface}@{VERSION};\n}}\n"
        ));
    }
    let package = resolve.push_str("sections.wit", &worlds)?;
    for interface in INTERFACES {
        let world = resolve.select_world(&[package], Some(&format!("only-{interface}")))?;
        let section = metadata::encode(&resolve, world, StringEncoding::UTF8, None, false)?;
        fs::write(Path::new(&out).join(interface), section)?;
    }
    Ok(())
}
