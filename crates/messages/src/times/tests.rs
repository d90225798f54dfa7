use super::*;

/// 2027-01-01.
const LATEST: Millis = 1_798_761_600_000;

fn times(format: &str, zone: Option<&str>) -> TableTimes {
    TableTimes::new(format.parse().unwrap(), zone.map(|zone| time_zone(zone).unwrap()), LATEST, false)
}

fn shown(times: &TableTimes, text: &str) -> String {
    match times.read(text, false) {
        Ok(time) => Timestamp::from_millisecond(time.millis).unwrap().to_string(),
        Err(reason) => reason,
    }
}

#[test]
fn what_tools_write_is_read() {
    let times = times("auto", None);
    for text in [
        "2021-01-05 12:00:00 UTC",
        "2021-01-05 12:00:00 +0000",
        "2021-01-05 12:00:00+00:00",
        "2021-01-05T12:00:00.000Z",
        "2021-01-05T12:00:00+0000",
        "2021-01-05 12:00",
        "2021/01/05 12:00:00",
        "2021-01-05T13:00:00[Europe/Berlin]",
        "2021-01-05T13:00:00+01:00[Europe/Berlin]",
        "2021-01-05 13:00:00 Europe/Berlin",
        "1609848000",
        "1609848000.0",
        "1609848000000",
        "1609848000000000",
        "1609848000000000000",
        "20210105120000",
        "202101051200",
        "Tue Jan 05 12:00:00 +0000 2021",
        "Tue, 05 Jan 2021 12:00:00 GMT",
        "Tue Jan 05 2021 13:00:00 GMT+0100 (Central European Standard Time)",
        "Jan 5, 2021 @ 12:00:00.000",
        "January 5, 2021 at 12:00 PM",
        "January 05, 2021 at 12:00PM",
        "5 January 2021 12:00",
        "05-Jan-2021 12:00PM",
        "05.01.2021 12:00:00",
        "2021-01-05 07:00:00 EST",
        "2021-01-05 13:00:00 CET",
        "1/5/2021 12:00",
        "5/1/2021 12:00",
    ] {
        let want = match text {
            "1/5/2021 12:00" => {
                "may be 1 May or 5 January: say which with --time-format day-first or --time-format month-first"
            }
            "5/1/2021 12:00" => {
                "may be 5 January or 1 May: say which with --time-format day-first or --time-format month-first"
            }
            _ => "2021-01-05T12:00:00Z",
        };
        assert_eq!(shown(&times, text), want, "{text}");
    }
    assert_eq!(shown(&times, "2021-01-05 12:00:00.123456789"), "2021-01-05T12:00:00.123Z");
    assert_eq!(shown(&times, "1/13/21 12:05 AM"), "2021-01-13T00:05:00Z");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let times = times("auto", None);
    for (text, want) in [
        ("0", "is a time in the year 1970"),
        ("44201.5", "--time-format excel"),
        ("44201", "--time-format excel"),
        ("0001-01-01T00:00:00Z", "is a time in the year 1,"),
        ("-62135596800", "is a time in the year 1,"),
        ("9999-12-01T23:59:59Z", "is a time in the year 9999"),
        ("2099-01-01T00:00:00Z", "more than a year from now"),
        ("2021-01-05", "is a date without a time of day"),
        ("20210105", "is a date without a time of day"),
        ("5 January 2021", "is a date without a time of day"),
        ("1.60985E+12", "is rounded"),
        ("2021-01-05 12:00:00 CST", "ends with CST"),
        ("2021-02-30T00:00:00Z", "is not a time; accepted forms: 2026-11-02T10:00:00Z"),
        ("1900-01-00", "is not a time"),
        ("20211305120000", "is not a time"),
        ("yesterday", "is not a time"),
        ("12:00", "is not a time"),
        ("", "is not a time"),
    ] {
        let got = shown(&times, text);
        assert!(got.contains(want), "{text}: {got}");
    }
    assert!(times.read("2013-11-30", true).is_ok(), "an account's age may be a date");
}

#[test]
fn a_column_settles_which_number_is_the_day() {
    let mut times = times("auto", None);
    let found = times.settle(["1/5/2021 12:00", "13/5/2021 12:00"].into_iter());
    assert_eq!(found.open, 1);
    assert_eq!(shown(&times, "1/5/2021 12:00"), "2021-05-01T12:00:00Z");
    assert!(shown(&times, "1/13/2021 12:00").starts_with("is not a date with its day first"));
    let mut open = super::tests::times("auto", None);
    open.settle(["13/5/2021 12:00", "5/13/2021 12:00"].into_iter());
    assert!(!open.settled(), "columns that contradict themselves settle nothing");
}

#[test]
fn formats_and_zones_that_were_chosen_hold() {
    assert_eq!(shown(&times("day-first", None), "1/5/2021 12:00"), "2021-05-01T12:00:00Z");
    assert_eq!(shown(&times("month-first", None), "1/5/2021 12:00"), "2021-01-05T12:00:00Z");
    assert_eq!(shown(&times("excel", None), "44201.5"), "2021-01-05T12:00:00Z");
    assert_eq!(shown(&times("excel", Some("Europe/Berlin")), "44201.5"), "2021-01-05T11:00:00Z");
    assert_eq!(shown(&times("%d.%m.%Y %Hh%M", None), "05.01.2021 12h30"), "2021-01-05T12:30:00Z");
    let berlin = times("auto", Some("Europe/Berlin"));
    assert_eq!(shown(&berlin, "2021-07-05 12:00"), "2021-07-05T10:00:00Z");
    assert_eq!(shown(&berlin, "2021-07-05 12:00 UTC"), "2021-07-05T12:00:00Z", "what a cell says holds");
    assert_eq!(shown(&times("auto", Some("America/Chicago")), "2021-01-05 12:00 CST"), "2021-01-05T18:00:00Z");
    assert!("noon".parse::<TimeFormat>().is_err() && time_zone("Mars/Base").is_err());
}
