//! What does a node announce? A device for each piece of hardware, in the order in which it was found.

use supercargo_guest::inventory::{self, Announcement, Hardware, PublishedDevice};
use supercargo_guest::prelude::*;

use crate::MyPolicy;

impl Publish for MyPolicy {
    fn publish(_: &NoSettings, hardware: &Hardware) -> Result<Announcement, Refusal> {
        let mut announcement = inventory::nothing();
        for (unit, _) in (0..).zip(&hardware.units) {
            announcement.strings.push(format!("device-{unit}"));
            announcement.devices.push(PublishedDevice {
                name: unit,
                unit,
                shareable: false,
            });
        }
        Ok(announcement)
    }
}
