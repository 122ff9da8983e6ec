//! Groups of managed resources.
//!
//! Follows the group half of `drivers/base/devres.c`. A group is two markers
//! in the list of resources, one where it was opened and one where it was
//! closed; groups may nest and overlap.

use super::device::Device;
use super::devres::{DevresList, Kind, Node, add_node, release_nodes};
use crate::errno::Result;
use crate::event::SplatKind;

/// Names a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GroupId(pub u64);

/// A marker in the list.
pub(crate) struct GroupNode {
    id: GroupId,
    /// Tells groups of one id apart.
    group: u64,
    end: End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Close,
}

impl DevresList {
    fn marker(&self, group: u64, end: End) -> Option<usize> {
        self.nodes.iter().position(
            |node| matches!(&node.kind, Kind::Group(g) if g.group == group && g.end == end),
        )
    }

    /// find_group: the latest of this id, or the latest that is still open.
    fn find(&self, id: Option<GroupId>) -> Option<(GroupId, u64)> {
        self.nodes.iter().rev().find_map(|node| match &node.kind {
            Kind::Group(g) if g.end == End::Open => {
                let wanted = match id {
                    Some(id) => g.id == id,
                    None => self.marker(g.group, End::Close).is_none(),
                };
                wanted.then_some((g.id, g.group))
            }
            _ => None,
        })
    }

    /// remove_nodes for a range: takes out the resources, and the groups that
    /// lie wholly inside; markers of groups that straddle the range stay. A
    /// group without an end reaches to the end of the list.
    fn take_range(&mut self, first: usize, end: usize) -> Vec<Node> {
        let tail = self.nodes.split_off(end);
        let range = self.nodes.split_off(first);
        let inside = |group: u64, end: End| {
            range.iter().any(
                |node| matches!(&node.kind, Kind::Group(g) if g.group == group && g.end == end),
            )
        };
        let closed_after = |group: u64| {
            tail.iter()
                .any(|node| matches!(&node.kind, Kind::Group(g) if g.group == group))
        };
        let mut whole: Vec<u64> = Vec::new();
        for node in &range {
            if let Kind::Group(g) = &node.kind {
                let opened_here = inside(g.group, End::Open);
                let ends_here = inside(g.group, End::Close) || !closed_after(g.group);
                if opened_here && ends_here {
                    whole.push(g.group);
                }
            }
        }
        let (todo, stay): (Vec<Node>, Vec<Node>) = range
            .into_iter()
            .partition(|node| !matches!(&node.kind, Kind::Group(g) if !whole.contains(&g.group)));
        self.nodes.extend(stay);
        self.nodes.extend(tail);
        todo
    }
}

#[track_caller]
fn no_such_group(device: &Device, call: &str) {
    device.core().splat(
        SplatKind::Warn,
        Some(device.device_ref()),
        format!("{call}: there is no such group"),
    );
}

/// Opens a group (`devres_open_group`). Without an id the group gets one of
/// its own, which is returned.
#[track_caller]
pub fn devres_open_group(device: &Device, id: Option<GroupId>) -> Result<GroupId> {
    device.core().allocation()?;
    let group = device.core().unique();
    // A group's own id is as little likely to meet another as an address is.
    let id = id.unwrap_or(GroupId(u64::MAX - group));
    let end = End::Open;
    add_node(device, Kind::Group(GroupNode { id, group, end }));
    Ok(id)
}

/// Closes a group, the latest open one without an id (`devres_close_group`).
/// A splat if there is none, or if it is closed already.
#[track_caller]
pub fn devres_close_group(device: &Device, id: Option<GroupId>) {
    let (found, closed) = {
        let list = device.inner().devres.lock();
        let found = list.find(id);
        let closed = found.is_some_and(|(_, group)| list.marker(group, End::Close).is_some());
        (found, closed)
    };
    let Some((id, group)) = found else {
        return no_such_group(device, "devres_close_group");
    };
    if closed {
        device.core().splat(
            SplatKind::Bug,
            Some(device.device_ref()),
            "devres_close_group: the group is closed already",
        );
        return;
    }
    let end = End::Close;
    add_node(device, Kind::Group(GroupNode { id, group, end }));
}

/// Forgets a group; its resources stay (`devres_remove_group`). A splat if
/// there is none.
#[track_caller]
pub fn devres_remove_group(device: &Device, id: Option<GroupId>) {
    let found = {
        let mut list = device.inner().devres.lock();
        let found = list.find(id);
        if let Some((_, group)) = found {
            list.nodes
                .retain(|node| !matches!(&node.kind, Kind::Group(g) if g.group == group));
        }
        found
    };
    if found.is_none() {
        no_such_group(device, "devres_remove_group");
    }
}

/// Releases what a group holds, newest first, and gives how many resources
/// that were (`devres_release_group`).
///
/// A splat if there is no such group, unless the list is empty: then the
/// device is being torn down.
#[track_caller]
pub fn devres_release_group(device: &Device, id: Option<GroupId>) -> usize {
    let todo = {
        let mut list = device.inner().devres.lock();
        match list.find(id) {
            Some((_, group)) => {
                let first = list.marker(group, End::Open);
                let first = first.expect("a group that was found has an opening marker");
                let end = list
                    .marker(group, End::Close)
                    .map_or(list.nodes.len(), |at| at + 1);
                Some(list.take_range(first, end))
            }
            None if list.nodes.is_empty() => Some(Vec::new()),
            None => None,
        }
    };
    let Some(todo) = todo else {
        no_such_group(device, "devres_release_group");
        return 0;
    };
    let count = todo
        .iter()
        .filter(|node| !matches!(node.kind, Kind::Group(_)))
        .count();
    release_nodes(device, todo);
    count
}
