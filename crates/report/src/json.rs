//! The report as JSON.
//!
//! ```text
//! { "rules": "linux-6.12",
//!   "verdict": { "clean": true, "text": "clean", "findings": […], "gaps": […], "missed": […] },
//!   "programs": [ { "program": "…", "ending": "exit status 0", "status": 0 } ],
//!   "removals": [ { "name", "device", "manner", "cause", "began_ns", "ended_ns",
//!                   "held": [ { "holding", "device", "what", "place" } ],
//!                   "released": [ { "time_ns", "what", "count", "seq" } ] } ],
//!   "events": [ { "seq", "time_ns", "task", "event", "text", … } ] }
//! ```

use lastfd_model::{DeviceRef, Errno, Event, EventKind, FileRef, LedgerLine, Place};
use serde_json::{Map, Value, json};

use crate::Report;
use crate::finding::Finding;
use crate::run_event::{Ending, RunEvent};
use crate::story::Removal;

/// All of it but for the events.
pub(crate) fn verdict(report: &Report) -> Value {
    let verdict = report.verdict();
    let missed: Vec<Value> = verdict
        .missed
        .iter()
        .map(|missed| {
            json!({
                "name": &*missed.name,
                "manner": &*missed.what,
                "when": &*missed.when,
                "seen": missed.seen,
                "refused": missed.refused.as_deref(),
            })
        })
        .collect();
    let programs: Vec<Value> = verdict
        .programs
        .iter()
        .map(|(program, ending)| {
            let mut value = json!({ "program": &**program, "ending": ending.to_string() });
            match ending {
                Ending::Exited(status) => value["status"] = (*status).into(),
                Ending::Killed(signal) => value["signal"] = (*signal).into(),
                Ending::Failed(_) => {}
            }
            value
        })
        .collect();
    json!({
        "rules": report.rules().name(),
        "verdict": {
            "clean": verdict.is_clean(),
            "text": verdict.summary(),
            "findings": verdict.findings.iter().map(finding).collect::<Vec<_>>(),
            "gaps": verdict.gaps.iter().map(lifetime).collect::<Vec<_>>(),
            "missed": missed,
        },
        "programs": programs,
        "removals": verdict.removals.iter().map(removal).collect::<Vec<_>>(),
    })
}

/// All of it.
pub(crate) fn report(report: &Report) -> Value {
    let mut value = verdict(report);
    value["events"] = report.events().iter().map(event).collect();
    value
}

fn finding(finding: &Finding) -> Value {
    json!({
        "owner": finding.owner.to_string(),
        "text": &*finding.text,
        "device": finding.device.as_ref().map(device),
        "time_ns": finding.time.0,
        "place": finding.place.map(place),
        "seq": finding.seq,
        "lifetime": finding.lifetime.as_deref().map(lifetime),
    })
}

/// What the sanitizer found: `evidence` has the numbers of events.
fn lifetime(found: &lastfd_sanitizer::Finding) -> Value {
    let places = found
        .spots
        .iter()
        .map(|spot| json!({ "role": spot.role.to_string(), "place": place(spot.place) }));
    json!({
        "rule": found.rule.number,
        "name": found.rule.name,
        "owner": found.owner.to_string(),
        "device": found.device.as_ref().map(device),
        "text": &*found.text,
        "places": places.collect::<Vec<_>>(),
        "evidence": found.evidence.iter().map(|event| event.seq).collect::<Vec<_>>(),
        "explains": found.explains,
        "in_a_kernel": found.rule.kernel,
        "to_fix_it": found.rule.fix,
    })
}

fn removal(removal: &Removal) -> Value {
    let released = |release: &crate::Release| {
        json!({
            "time_ns": release.time.0,
            "what": &*release.text,
            "count": release.count,
            "seq": release.seq,
        })
    };
    json!({
        "name": &*removal.name,
        "device": device(&removal.device),
        "manner": removal.manner.to_string(),
        "cause": &*removal.cause,
        "began_ns": removal.began.0,
        "ended_ns": removal.ended.map(|time| time.0),
        "held": removal.held.iter().map(ledger_line).collect::<Vec<_>>(),
        "released": removal.released.iter().map(released).collect::<Vec<_>>(),
    })
}

fn ledger_line(line: &LedgerLine) -> Value {
    json!({
        "holding": line.holding.to_string(),
        "device": line.device.as_ref().map(device),
        "what": &*line.what,
        "place": line.place.map(place),
    })
}

fn device(device: &DeviceRef) -> Value {
    json!({ "id": device.id, "name": &*device.name })
}

fn place(place: Place) -> String {
    place.to_string()
}

/// An event: its kind's name, the line the live log shows, and its fields.
fn event(event: &Event) -> Value {
    let (name, mut fields) = fields(&event.kind);
    fields.insert("seq".to_owned(), event.seq.into());
    fields.insert("time_ns".to_owned(), event.time.0.into());
    fields.insert("task".to_owned(), event.task.0.into());
    fields.insert("event".to_owned(), name.into());
    fields.insert("text".to_owned(), event.kind.to_string().into());
    if let Some(device_of) = event.kind.device() {
        fields.insert("device".to_owned(), device(device_of));
    }
    if let Some(at) = event.place {
        fields.insert("place".to_owned(), place(at).into());
    }
    Value::Object(fields)
}

fn outcome<T: Copy + Into<Value>>(result: &Result<T, Errno>) -> Value {
    match result {
        Ok(value) => json!({ "ok": (*value).into() }),
        Err(errno) => json!({ "error": errno.to_string(), "errno": errno.code() }),
    }
}

fn file(file: &FileRef) -> Value {
    json!({ "id": file.id, "path": &*file.path })
}

/// The name of a kind of event, and what it has besides its device.
fn fields(kind: &EventKind) -> (&'static str, Map<String, Value>) {
    use EventKind::*;
    let (name, value) = match kind {
        DeviceInitialized { .. } => ("device_initialized", json!({})),
        DeviceAdded { .. } => ("device_added", json!({})),
        DeviceMoved { parent, .. } => (
            "device_moved",
            json!({ "parent": parent.as_ref().map(device) }),
        ),
        DeviceRemoved { .. } => ("device_removed", json!({})),
        Released { .. } => ("released", json!({})),
        Notify { what, .. } => ("notify", json!({ "what": what.to_string() })),
        Uevent { action, env, .. } => {
            let env: Map<String, Value> = env
                .iter()
                .map(|(key, value)| (key.clone(), value.as_str().into()))
                .collect();
            (
                "uevent",
                json!({ "action": action.to_string(), "env": env }),
            )
        }
        Match { driver, result, .. } => (
            "match",
            json!({ "driver": &**driver, "result": outcome(result) }),
        ),
        ProbeBegin { driver, .. } => ("probe_begin", json!({ "driver": &**driver })),
        ProbeEnd { driver, result, .. } => (
            "probe_end",
            json!({ "driver": &**driver, "result": outcome(&result.map(|()| 0)) }),
        ),
        RemoveBegin { driver, .. } => ("remove_begin", json!({ "driver": &**driver })),
        RemoveEnd { driver, .. } => ("remove_end", json!({ "driver": &**driver })),
        DevresAdded { res, node, .. } => ("devres_added", json!({ "res": res, "node": node })),
        DevresRun { res, node, .. } => ("devres_run", json!({ "res": res, "node": node })),
        DevresRemoved { res, node, .. } => ("devres_removed", json!({ "res": res, "node": node })),
        RefTaken { count, holder, .. } => (
            "reference_taken",
            json!({ "count": count, "holder": holder.to_string() }),
        ),
        RefDropped { count, holder, .. } => (
            "reference_dropped",
            json!({ "count": count, "holder": holder.to_string() }),
        ),
        Resource {
            kind,
            name,
            id,
            step,
            ..
        } => (
            "resource",
            json!({
                "kind": kind.to_string(),
                "name": &**name,
                "id": id,
                "step": step.to_string(),
            }),
        ),
        AttributeShown {
            attribute, result, ..
        } => (
            "attribute_shown",
            json!({ "attribute": &**attribute, "result": outcome(result) }),
        ),
        AttributeStored {
            attribute, result, ..
        } => (
            "attribute_stored",
            json!({ "attribute": &**attribute, "result": outcome(result) }),
        ),
        NodeCreated { node, .. } => ("node_created", json!({ "node": &**node })),
        NodeRemoved { node, .. } => ("node_removed", json!({ "node": &**node })),
        OpenBegin { path, .. } => ("open_begin", json!({ "path": &**path })),
        FileOpened { file: of, .. } => ("file_opened", json!({ "file": file(of) })),
        FileClosed { file: of, .. } => ("file_closed", json!({ "file": file(of) })),
        OperationBegin { file: of, op } => {
            ("operation_begin", json!({ "file": file(of), "op": &**op }))
        }
        OperationEnd {
            file: of,
            op,
            result,
        } => (
            "operation_end",
            json!({ "file": file(of), "op": &**op, "result": outcome(result) }),
        ),
        Blocked { file: of, op } => ("blocked", json!({ "file": file(of), "op": &**op })),
        Woken { file: of, op } => ("woken", json!({ "file": file(of), "op": &**op })),
        GateClosed { .. } => ("gate_closed", json!({})),
        Memory { what, id, step, .. } => (
            "memory",
            json!({ "what": what, "id": id, "step": step.to_string() }),
        ),
        Embedded { memory, object, .. } => {
            ("embedded", json!({ "memory": memory, "object": &**object }))
        }
        SectionBegin { section } => ("section_begin", json!({ "section": section.name })),
        SectionEnd { section } => ("section_end", json!({ "section": section.name })),
        LivenessTested { alive, .. } => ("liveness_tested", json!({ "alive": alive })),
        DriverDataRead { there, .. } => ("driver_data_read", json!({ "there": there })),
        Message { text, .. } => ("message", json!({ "message": &**text })),
        Splat { kind, text, .. } => (
            "splat",
            json!({ "kind": kind.to_string(), "message": &**text }),
        ),
        Leak { text, .. } => ("leak", json!({ "message": &**text })),
        Framework(event) => match event.as_any().downcast_ref() {
            Some(event) => (run_event(event), json!({})),
            None => ("framework", json!({ "framework": event.framework() })),
        },
        // A kind this crate does not know yet has its text.
        _ => ("other", json!({})),
    };
    match value {
        Value::Object(fields) => (name, fields),
        _ => (name, Map::new()),
    }
}

fn run_event(event: &RunEvent) -> &'static str {
    match event {
        RunEvent::Plugged { .. } => "plugged",
        RunEvent::RemovalBegin { .. } => "removal_begin",
        RunEvent::RemovalEnd { .. } => "removal_end",
        RunEvent::Faulted { .. } => "faulted",
        RunEvent::RemovalMissed { .. } => "removal_missed",
        RunEvent::ProgramStarted { .. } => "program_started",
        RunEvent::Refused { .. } => "refused",
        RunEvent::ProgramEnded { .. } => "program_ended",
    }
}
