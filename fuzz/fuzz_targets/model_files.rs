//! Files from outside, as `tacit-model` reads them: models, images, labels, arrays, pictures. Nothing panics, and a model that is
//! read is written and read again as the same one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tacit_model::idx::{Images, read_labels};
use tacit_model::{Network, cifar, read_picture, rows};

fuzz_target!(|data: &[u8]| {
    if let Ok(network) = Network::from_bytes(data) {
        let bytes = network.to_bytes().expect("what was read can be written");
        let again = Network::from_bytes(&bytes).expect("what was written can be read");
        assert!(network == again, "the network changed on the way");
    }
    if let Ok(images) = Images::read(data) {
        assert!(images.iter().all(|image| image.len() == images.shape().iter().product::<usize>()));
    }
    let _ = read_labels(data);
    if let Ok(dataset) = cifar::read_records(data) {
        assert!(dataset.iter().all(|(image, label)| image.len() == 3072 && label < 10));
    }
    let _ = rows::read_npy(data);
    if let Ok(pixels) = read_picture(data) {
        assert_eq!(pixels.len(), 28 * 28);
    }
});
