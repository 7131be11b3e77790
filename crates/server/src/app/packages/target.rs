//! Which product a package is for (seed S1-21).

use std::fmt;
use std::sync::Arc;

use crate::app::App;
use crate::app::products::{FindProductError, Product};
use crate::store::products::Identity;

/// What was said about the product. Everything that is said is compared exactly, case included.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Target {
    /// An id or a name.
    pub product: Option<String>,
    pub device_type: Option<String>,
    pub manufacturer: Option<String>,
    pub model: Option<String>,
    pub protocol: Option<String>,
}

/// A value that is not the one of the product.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Which of the four.
    pub field: &'static str,
    /// What was said.
    pub given: String,
    /// What the product has.
    pub product: String,
}

/// All values that differ; shown as a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Differences(pub Vec<Difference>);

impl fmt::Display for Differences {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Difference { field, given, product }) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(formatter, "{comma}{field} is {given:?} and not {product:?}")?;
        }
        Ok(())
    }
}

/// Why no product is meant.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// A name that no product has.
    #[error(transparent)]
    Find(#[from] FindProductError),
    /// It is another one.
    #[error("this is not for {product}: the {differences}")]
    Mismatch {
        /// Whose values they should be.
        product: String,
        /// What differs.
        differences: Differences,
    },
    /// None has these values.
    #[error("no product is called so; for the nearest one, {nearest}, the {differences}")]
    NoMatch {
        /// The product with the fewest differences.
        nearest: String,
        /// What differs from it.
        differences: Differences,
    },
    /// There is none at all.
    #[error("there are no products yet")]
    NoProducts,
    /// What was said fits more than one.
    #[error("{0} products fit what was said; name one of them")]
    Several(usize),
}

impl Target {
    /// What differs from a product.
    pub fn differences(&self, identity: &Identity) -> Differences {
        let pairs = [
            ("device type", &self.device_type, &identity.device_type),
            ("manufacturer", &self.manufacturer, &identity.manufacturer_name),
            ("model", &self.model, &identity.model),
            ("protocol", &self.protocol, &identity.protocol_type),
        ];
        let differing = pairs.into_iter().filter_map(|(field, given, product)| {
            let given = given.clone().filter(|given| given != product)?;
            Some(Difference { field, given, product: product.clone() })
        });
        Differences(differing.collect())
    }

    /// Refuses a product that differs.
    ///
    /// # Errors
    /// It does; the error shows both values of each.
    pub fn check(&self, product: &Product) -> Result<(), TargetError> {
        let differences = self.differences(&product.identity);
        if differences.0.is_empty() {
            return Ok(());
        }
        Err(TargetError::Mismatch { product: product.name(), differences })
    }
}

impl From<&Identity> for Target {
    fn from(identity: &Identity) -> Self {
        Self {
            product: None,
            device_type: Some(identity.device_type.clone()),
            manufacturer: Some(identity.manufacturer_name.clone()),
            model: Some(identity.model.clone()),
            protocol: Some(identity.protocol_type.clone()),
        }
    }
}

impl App {
    /// The product that is meant: the one that is named, or the only one that has all values that are given.
    pub(super) fn target_product(&self, target: &Target) -> Result<Arc<Product>, TargetError> {
        if let Some(name) = &target.product {
            let product = self.find_product(name)?;
            target.check(&product)?;
            return Ok(product);
        }
        let all = self.products_after("", "", i64::MAX);
        let fitting: Vec<_> =
            all.iter().filter(|product| target.differences(&product.identity).0.is_empty()).collect();
        match &fitting[..] {
            [one] => Ok(Arc::clone(one)),
            [] => Err(nearest(target, &all)),
            several => Err(TargetError::Several(several.len())),
        }
    }
}

fn nearest(target: &Target, all: &[Arc<Product>]) -> TargetError {
    let distance = |product: &Arc<Product>| {
        let Differences(differences) = target.differences(&product.identity);
        // Another case is a slip of the finger, another word is another thing.
        let words = differences.iter().filter(|one| one.given.to_lowercase() != one.product.to_lowercase());
        (words.count(), differences.len())
    };
    match all.iter().min_by_key(|product| distance(product)) {
        None => TargetError::NoProducts,
        Some(product) => TargetError::NoMatch {
            nearest: product.name(),
            differences: target.differences(&product.identity),
        },
    }
}
