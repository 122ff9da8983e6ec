//! The files that a directory in sysfs has: groups of attributes, and, of each one that
//! somebody opened, its node.
//!
//! Follows `fs/sysfs/group.c`, `fs/sysfs/file.c` and `fs/kernfs/dir.c`. A kernel makes a
//! node for each file at once; nobody can tell before the file is opened, so here it is
//! made then.

use core::fmt;
use core::hash::{Hash, Hasher};
use std::collections::BTreeMap;

use lastfd_sync::Arc;
use rustc_hash::FxHasher;

use super::device::Device;
use super::sysfs::FileAttribute;
use super::sysfs_file::{AttrInfo, AttrNode, SysfsDirectory};
use crate::errno::{Errno, Result};

/// Attributes that come and go together, in the directory itself or, with a name, in
/// one of their own below it (`struct attribute_group`). A clone is the same group.
pub struct FileGroup<T> {
    name: Option<Arc<str>>,
    attrs: Arc<[FileAttribute<T>]>,
}

/// A group of a device's attributes.
pub type AttributeGroup = FileGroup<Device>;

impl<T> FileGroup<T> {
    /// A group in the directory itself.
    pub fn new(attrs: Vec<FileAttribute<T>>) -> FileGroup<T> {
        FileGroup {
            name: None,
            attrs: Arc::from(attrs),
        }
    }

    /// A group in a directory of its own.
    pub fn named(name: impl Into<Arc<str>>, attrs: Vec<FileAttribute<T>>) -> FileGroup<T> {
        FileGroup {
            name: Some(name.into()),
            ..FileGroup::new(attrs)
        }
    }

    /// Its directory; none is the one it is added to.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Its attributes.
    pub fn attrs(&self) -> &[FileAttribute<T>] {
        &self.attrs
    }

    fn path(&self, attribute: &FileAttribute<T>) -> Arc<str> {
        match &self.name {
            None => attribute.shared_name(),
            Some(group) => Arc::from(format!("{group}/{}", attribute.name())),
        }
    }

    /// What `path` would be called inside it.
    fn inside<'a>(&self, path: &'a str) -> Option<&'a str> {
        match &self.name {
            None => Some(path),
            Some(group) => path.strip_prefix(&**group)?.strip_prefix('/'),
        }
    }

    /// Whether two of its attributes have one name. A name whose bit is still clear is
    /// new; only the others are compared one by one.
    fn repeats_a_name(&self) -> bool {
        let mut seen = [0_u64; 16];
        self.attrs.iter().enumerate().any(|(at, attribute)| {
            let mut hasher = FxHasher::default();
            attribute.name().hash(&mut hasher);
            let bit = hasher.finish();
            let (word, bit) = (&mut seen[(bit >> 6 & 15) as usize], 1 << (bit & 63));
            let maybe = *word & bit != 0;
            *word |= bit;
            maybe
                && self.attrs[..at]
                    .iter()
                    .any(|before| before.name() == attribute.name())
        })
    }
}

impl<T> Clone for FileGroup<T> {
    fn clone(&self) -> Self {
        FileGroup {
            name: self.name.clone(),
            attrs: Arc::clone(&self.attrs),
        }
    }
}

impl<T> Default for FileGroup<T> {
    fn default() -> Self {
        FileGroup::new(Vec::new())
    }
}

impl<T> fmt::Debug for FileGroup<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileGroup")
            .field("name", &self.name)
            .field("attrs", &self.attrs)
            .finish()
    }
}

/// A group that is in a directory, less what was removed of it alone.
struct Present<T> {
    group: FileGroup<T>,
    /// Positions of the attributes that are gone.
    gone: Vec<usize>,
}

impl<T> Present<T> {
    /// Whether it is this very group, with nothing gone.
    fn is_whole(&self, group: &FileGroup<T>) -> bool {
        let same = Arc::ptr_eq(&self.group.attrs, &group.attrs);
        same && self.group.name == group.name && self.gone.is_empty()
    }

    /// The attributes that are there, each with its position.
    fn attrs(&self) -> impl Iterator<Item = (usize, &FileAttribute<T>)> {
        let there = |(at, _): &(usize, _)| !self.gone.contains(at);
        self.group.attrs.iter().enumerate().filter(there)
    }

    /// The attribute with a path, and its position.
    fn find(&self, path: &str) -> Option<(usize, &FileAttribute<T>)> {
        let name = self.group.inside(path)?;
        self.attrs().find(|(_, attribute)| attribute.name() == name)
    }

    /// Whether `path` is its directory, or one on the way to it.
    fn has_directory(&self, path: &str) -> bool {
        let leads_on = |to: &str| to.strip_prefix(path).is_some_and(|on| on.starts_with('/'));
        match &self.group.name {
            Some(name) => **name == *path || leads_on(name),
            None => self
                .attrs()
                .any(|(_, attribute)| leads_on(attribute.name())),
        }
    }
}

/// The files of one directory. It costs nothing until there is one.
pub struct AttributeDirectory<T> {
    /// Whether the default attributes are there.
    pub(crate) defaults: bool,
    groups: Vec<Present<T>>,
    /// Those that somebody opened, by path.
    nodes: BTreeMap<Arc<str>, Arc<AttrNode>>,
}

impl<T> Default for AttributeDirectory<T> {
    fn default() -> Self {
        AttributeDirectory {
            defaults: false,
            groups: Vec::new(),
            nodes: BTreeMap::new(),
        }
    }
}

impl<T: SysfsDirectory> AttributeDirectory<T> {
    /// sysfs_create_group: all of it or nothing. `EEXIST` if a name is taken, the
    /// group's own or an attribute's.
    pub(crate) fn add(&mut self, group: &FileGroup<T>) -> Result {
        let taken = match &group.name {
            Some(name) => self.groups.iter().any(|there| match &there.group.name {
                Some(other) => other == name,
                None => there.find(name).is_some(),
            }),
            None => self.groups.iter().any(|there| match &there.group.name {
                Some(other) => group.attrs.iter().any(|new| *new.name() == **other),
                None => (group.attrs.iter()).any(|new| there.find(new.name()).is_some()),
            }),
        };
        if taken || group.repeats_a_name() {
            return Err(Errno::EEXIST);
        }
        self.groups.push(Present {
            group: group.clone(),
            gone: Vec::new(),
        });
        Ok(())
    }

    /// sysfs_remove_group: a directory of its own goes with all that is in it; else the
    /// files of its names go, whoever added them. The nodes are to be drained.
    #[must_use]
    pub(crate) fn remove_group(&mut self, group: &FileGroup<T>) -> Vec<Arc<AttrNode>> {
        if let Some(name) = &group.name {
            let there = |present: &Present<T>| present.group.name.as_ref() == Some(name);
            let Some(at) = self.groups.iter().position(there) else {
                return Vec::new();
            };
            self.groups.remove(at);
            let inside = |path: &Arc<str>| group.inside(path).is_some();
            let nodes = self.nodes.extract_if(.., |path, _| inside(path));
            return nodes.map(|(_, node)| node).collect();
        }
        let whole = |present: &Present<T>| present.is_whole(group);
        let names = group.attrs.iter().map(FileAttribute::name);
        match self.groups.iter().position(whole) {
            Some(at) => {
                self.groups.remove(at);
                names.filter_map(|name| self.nodes.remove(name)).collect()
            }
            None => names.filter_map(|name| self.remove(name)?).collect(),
        }
    }

    /// sysfs_remove_file: none if there is no such file, else its node, if it was ever
    /// opened, which is to be drained.
    pub(crate) fn remove(&mut self, path: &str) -> Option<Option<Arc<AttrNode>>> {
        let node = self.nodes.remove(path);
        let found = self
            .groups
            .iter()
            .enumerate()
            .find_map(|(at, present)| Some((at, present.find(path)?.0)));
        let Some((at, position)) = found else {
            return node.map(Some);
        };
        let present = &mut self.groups[at];
        present.gone.push(position);
        if present.group.name.is_none() && present.gone.len() == present.group.attrs.len() {
            self.groups.remove(at);
        }
        Some(node)
    }

    /// The default attributes go. The nodes are to be drained.
    #[must_use]
    pub(crate) fn remove_defaults(&mut self) -> Vec<Arc<AttrNode>> {
        self.defaults = false;
        let defaults = self.nodes.extract_if(.., |_, node| node.is_default());
        defaults.map(|(_, node)| node).collect()
    }

    /// kernfs_remove of the directory: all goes. The nodes are to be drained.
    #[must_use]
    pub(crate) fn clear(&mut self) -> Vec<Arc<AttrNode>> {
        self.defaults = false;
        self.groups = Vec::new();
        core::mem::take(&mut self.nodes).into_values().collect()
    }

    /// The node of a file that is there, made if it was never opened before. The
    /// default attributes are not looked at.
    pub(crate) fn open(&mut self, owner: &T, path: &str) -> Option<Arc<AttrNode>> {
        if let Some(node) = self.nodes.get(path) {
            return Some(Arc::clone(node));
        }
        let (_, attribute) = self.groups.iter().find_map(|there| there.find(path))?;
        let path = Arc::from(path);
        let node = Arc::new(AttrNode::new(owner, Arc::clone(&path), attribute, false));
        self.nodes.insert(path, Arc::clone(&node));
        Some(node)
    }

    /// The node of a default attribute; none once these are gone.
    pub(crate) fn open_default(
        &mut self,
        owner: &T,
        attribute: &FileAttribute<T>,
    ) -> Option<Arc<AttrNode>> {
        if !self.defaults {
            return None;
        }
        let path = attribute.shared_name();
        let made = || Arc::new(AttrNode::new(owner, Arc::clone(&path), attribute, true));
        let node = self.nodes.entry(Arc::clone(&path)).or_insert_with(made);
        Some(Arc::clone(node))
    }

    /// Whether `path` is a directory of a group.
    pub(crate) fn has_directory(&self, path: &str) -> bool {
        self.groups.iter().any(|there| there.has_directory(path))
    }

    /// The files of groups, in no order.
    pub(crate) fn files(&self) -> impl Iterator<Item = AttrInfo> {
        self.groups.iter().flat_map(|there| {
            there.attrs().map(|(_, attribute)| AttrInfo {
                path: there.group.path(attribute),
                mode: attribute.mode(),
            })
        })
    }
}
