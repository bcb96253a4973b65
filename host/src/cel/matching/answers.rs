//! Selectors with the answers and costs that upstream gave for [`super::gpu`].

/// An expression, and `true for 5` (the cost), `overflow at 3` or `no selector: type`.
pub(super) const ANSWERS: &[(&str, &str)] = &[
    // the device
    ("true", "true for 0"),
    (r#"device.driver == "gpu.example.com""#, "true for 4"),
    (
        r#"device.attributes["gpu.example.com"].model == "A100""#,
        "true for 5",
    ),
    ("device.attributes[device.driver].index > 1", "true for 6"),
    (
        r#"device.attributes["other.example.com"].cores == 108"#,
        "true for 5",
    ),
    (
        r#"device.attributes["nope"].model == "A100""#,
        "noSuchKey at 5",
    ),
    (r#"has(device.attributes["nope"].model)"#, "false for 3"),
    (
        r#"has(device.attributes["gpu.example.com"].model)"#,
        "true for 3",
    ),
    (r#""nope" in device.attributes"#, "false for 3"),
    (r#""gpu.example.com" in device.attributes"#, "true for 3"),
    (r#"size(device.attributes["nope"]) == 0"#, "true for 5"),
    (
        r#"device.attributes.exists(d, d == "other.example.com")"#,
        "true for 17",
    ),
    (
        r#"device.attributes["gpu.example.com"].all(name, value, name != "" && type(value) != type(null))"#,
        "true for 46",
    ),
    (
        r#"device.attributes["gpu.example.com"].nope == 1"#,
        "noSuchKey at 5",
    ),
    (
        r#"device.attributes["gpu.example.com"].?nope.orValue(3) == 3"#,
        "true for 4",
    ),
    (
        r#"device.attributes[?"nope"].?model.hasValue()"#,
        "false for 4",
    ),
    (
        r#"device.attributes["gpu.example.com"].tags.exists(t, t == "fast")"#,
        "true for 14",
    ),
    (
        r#"device.attributes["gpu.example.com"].tags.includes("fast")"#,
        "true for 4",
    ),
    (
        r#"device.attributes["gpu.example.com"].version.isGreaterThan(semver("1.2.0"))"#,
        "true for 6",
    ),
    (
        r#"device.attributes["gpu.example.com"].firmware[0].major() == 2"#,
        "true for 7",
    ),
    (
        r#"device.capacity["gpu.example.com"].memory.compareTo(quantity("40Gi")) >= 0"#,
        "true for 7",
    ),
    (
        r#"device.capacity["gpu.example.com"].memory.isLessThan(quantity("0.5Ti"))"#,
        "true for 6",
    ),
    ("device.allowMultipleAllocations", "true for 2"),
    (
        r#"cel.bind(d, device.attributes["gpu.example.com"], d.index == 2 && d.healthy)"#,
        "true for 8",
    ),
    (
        r#"device.attributes["gpu.example.com"].index"#,
        "notBool at 4",
    ),
    (
        r#"device.attributes["gpu.example.com"].healthy"#,
        "true for 4",
    ),
    ("dyn(optional.of(true))", "true for 2"),
    (
        r#"has((device.attributes["gpu.example.com"].healthy ? device.attributes : device.capacity).nope)"#,
        "true for 5",
    ),
    (r#"has((true ? {"a": 1} : {"b": 2}).a)"#, "true for 0"),
    (
        r#"dyn(device).driver == "x" || size(dyn(device)) == 4"#,
        "true for 9",
    ),
    // operators
    ("1 + 2 * 3 - 4 / 2 == 5", "true for 5"),
    ("9223372036854775807 + 1 == 0", "overflow at 2"),
    ("-(-9223372036854775808) == 0", "overflow at 2"),
    ("0u - 1u == 0u", "overflow at 2"),
    ("1 / 0 == 1", "divideByZero at 2"),
    ("1 % 0 == 1", "divideByZero at 2"),
    ("1.0 / 0.0 > 1e308", "true for 2"),
    (
        "dyn(1) == 1.0 && dyn(1u) == 1 && 1 < 1.5 && 2u > 1",
        "true for 4",
    ),
    (r#"double("NaN") == double("NaN")"#, "false for 1"),
    (r#"double("NaN") < 1.0"#, "invalidArgument at 1"),
    (
        r#""abc" < "abd" && "abcdefghijk" != "abcdefghijl""#,
        "true for 3",
    ),
    ("false && 1 / 0 == 1", "false for 0"),
    ("1 / 0 == 1 && false", "false for 2"),
    ("1 / 0 == 1 || true", "true for 2"),
    ("1 / 0 == 1 || false", "divideByZero at 2"),
    ("dyn(1) ? true : false", "type at 0"),
    ("dyn(1) && true", "type at 0"),
    ("true ? true : 1 / 0 == 1", "true for 0"),
    ("[1, 2, 3][1] == 2", "true for 3"),
    ("[1, 2, 3][5] == 2", "invalidArgument at 3"),
    (r#"dyn([1, 2, 3])["a"] == 2"#, "type at 3"),
    ("[1, 2] + [3] == [1, 2, 3]", "true for 2"),
    (r#"{"a": 1, "b": 2}["c"] == 1"#, "noSuchKey at 3"),
    (r#"{1: "a"}[dyn(1u)] == "a""#, "true for 3"),
    ("2 in [1, 2, 3]", "true for 0"),
    ("2 in [1, 2, 3].map(x, x)", "true for 43"),
    ("dyn(2.0) in [1, 2, 3]", "true for 0"),
    (r#""x" in {"x": 1}"#, "true for 1"),
    ("[[1, 2], [3]] == [[1, 2], [3]]", "true for 1"),
    (
        r#"quantity("1").add(quantity("1")) == quantity("2")"#,
        "true for 5",
    ),
    (
        r#"quantity("2") == quantity("1").add(quantity("1"))"#,
        "type at 5",
    ),
    (
        r#"quantity("2") != quantity("1").add(quantity("1"))"#,
        "true for 5",
    ),
    (r#"semver("1.0.0+a") == semver("1.0.0+b")"#, "true for 3"),
    // macros
    ("[1, 2, 3].all(x, x > 0)", "true for 16"),
    ("[1, 2, 3].exists(x, x / 0 == 1 || x == 3)", "true for 28"),
    ("[1, 2, 3].exists_one(x, x > 2)", "true for 10"),
    ("[1, 2, 3].map(x, x * 2) == [2, 4, 6]", "true for 44"),
    ("[1, 2, 3].filter(x, x > 1).size() == 2", "true for 35"),
    ("[1, 2, 3].map(x, x > 1, x * 2) == [4, 6]", "true for 36"),
    ("[5, 6].transformList(i, x, i + x) == [5, 7]", "true for 32"),
    (
        r#"["a", "b"].transformMap(i, x, x) == {0: "a", 1: "b"}"#,
        "true for 10",
    ),
    (
        r#"["a", "b"].transformMapEntry(i, x, {x: i}) == {"a": 0, "b": 1}"#,
        "true for 70",
    ),
    (
        r#"["a", "a"].transformMapEntry(i, x, {x: i}) == {}"#,
        "invalidArgument at 69",
    ),
    (r#"{"a": 1}.all(k, v, k == "a" && v == 1)"#, "true for 8"),
    ("[1, 2].existsOne(i, x, x == 2)", "true for 8"),
    ("optional.of(1).optMap(x, x + 1).value() == 2", "true for 9"),
    (
        "optional.none().optFlatMap(x, optional.of(x)).hasValue()",
        "false for 4",
    ),
    ("[3, 1, 2].sortBy(x, -x) == [3, 2, 1]", "true for 75"),
    (
        "[1, 2].map(x, [3, 4].map(y, x * y)) == [[3, 4], [6, 8]]",
        "true for 88",
    ),
    (
        "cel.bind(a, [1, 2], cel.bind(b, a + a, b.size() == 4 && a.size() == 2))",
        "true for 9",
    ),
    (
        "lists.range(1000).all(x, lists.range(1000).all(y, x + y >= 0))",
        "costExceeded at 1000001",
    ),
    // text
    (
        r#""héllo".size() == 5 && "héllo".charAt(1) == "é" && "héllo".indexOf("l") == 2"#,
        "true for 5",
    ),
    (
        r#""abcab".lastIndexOf("ab") == 3 && "abcab".lastIndexOf("ab", 2) == 0"#,
        "true for 2",
    ),
    (r#""abc".substring(4) == """#, "invalidArgument at 1"),
    (r#""abc".substring(1, 2) == "b""#, "true for 2"),
    (r#""a,b,c".split(",", 2) == ["a", "b,c"]"#, "true for 2"),
    (
        r#"["a", "b"].join("-") == "a-b" && " x ".trim() == "x" && "AbÉ".lowerAscii() == "abÉ""#,
        "true for 6",
    ),
    (
        r#""aaa".replace("a", "b", 2) == "bba" && "ab".replace("", "-") == "-a-b-""#,
        "true for 4",
    ),
    (r#"strings.quote("a\"b") == "\"a\\\"b\"""#, "true for 2"),
    (
        r#""%s %d %.2f %x %o %b %e".format(["a", 1, 12345.678, 255, 8, 5, 0.00012]) == "a 1 12,345.68 ff 10 101 1.200000×10⁻⁰⁴""#,
        "true for 7",
    ),
    (
        r#""%s".format([[1.5, "x", {"b": true, "a": null}, duration("90s")]]) == "[1.500000, \"x\", {\"a\":null, \"b\":true}, duration(\"90s\")]""#,
        "true for 7",
    ),
    (r#""%d".format([dyn("a")]) == """#, "invalidArgument at 1"),
    (
        r#""%s %s".format(["a", "b"].map(x, x)) == "a b""#,
        "true for 29",
    ),
    (
        r#""10".matches("^[0-9]+$") && !"٣".matches("\\d") && "x".matches("[[:alpha:]]")"#,
        "true for 7",
    ),
    (
        r#""a{,2}".matches("^a{,2}$") && "a[b".matches("[[]") && "a&&b".matches("^[a&&b]+$")"#,
        "true for 6",
    ),
    (
        r#""foo bar".find("[a-z]+$") == "bar" && "a1b22".findAll("[0-9]+") == ["1", "22"]"#,
        "true for 6",
    ),
    (r#""baaac".findAll("a*") == ["", "aaa", ""]"#, "true for 2"),
    (
        r#""x".matches("(" + device.driver)"#,
        "invalidArgument at 8",
    ),
    // conversions
    (
        r#"int("42") == 42 && uint(3) == 3u && double("1e3") == 1000.0 && string(1.5) == "1.5""#,
        "true for 4",
    ),
    (
        r#"string(1e21) + string(123456789.0) + string(1e-5) == "1e+211.23456789e+081e-05""#,
        "true for 8",
    ),
    ("int(1e30) == 1", "no selector: overflow"),
    (r#"bool("yes")"#, "no selector: invalidArgument"),
    (
        r#"bytes("é").size() == 2 && string(b"abc") == "abc""#,
        "true for 3",
    ),
    (r#"string(b"\xff" + b"") == """#, "invalidArgument at 2"),
    (
        r#"type(1) == int && type(semver("1.0.0")) == kubernetes.Semver"#,
        "no selector: undeclared",
    ),
    (
        r#"timestamp("2024-02-29T12:34:56.5+05:30") - timestamp("2024-02-29T07:04:56Z") == duration("500ms")"#,
        "true for 2",
    ),
    (
        r#"string(timestamp("2024-02-29T12:34:56.5+05:30")) == "2024-02-29T12:34:56.5+05:30""#,
        "true for 3",
    ),
    (
        r#"timestamp("2024-02-29T12:34:56Z").getDayOfYear() == 59 && timestamp("2024-02-29T12:34:56Z").getDayOfWeek() == 4"#,
        "true for 4",
    ),
    (
        r#"timestamp("2024-07-01T00:30:00Z").getHours("America/New_York") == 20 && timestamp("2024-07-01T00:30:00Z").getHours("-08:30") == 16"#,
        "true for 4",
    ),
    (
        r#"timestamp("2024-07-01T00:30:00Z").getHours("Nowhere/Else") == 1"#,
        "invalidArgument at 2",
    ),
    (
        r#"timestamp("9999-12-31T23:59:59Z") + duration("1h") == timestamp(0)"#,
        "overflow at 2",
    ),
    (
        r#"string(duration("1h2ms")) == "3600.002s" && duration("-1.5h").getMinutes() == -90"#,
        "true for 3",
    ),
    // Kubernetes
    (
        r#"quantity("1Gi").asInteger() == 1073741824 && quantity("0.5").isInteger() == false && sign(quantity("-1")) == -1"#,
        "true for 9",
    ),
    (
        r#"quantity("12345678901234567890").asInteger() == 1"#,
        "invalidArgument at 4",
    ),
    (
        r#"quantity("50k").add(20).sub(quantity("20k")).compareTo(quantity("30020")) == 0"#,
        "true for 7",
    ),
    (
        r#"isQuantity("1.3Gi") && !isQuantity("200K")"#,
        "true for 3",
    ),
    (
        r#"semver("v1.2", true).compareTo(semver("1.2.0")) == 0 && isSemver("1.0.0-rc.1") && !isSemver("v1.0.0")"#,
        "true for 7",
    ),
    (
        r#"semver("1.x", true).major() == 1"#,
        "invalidArgument at 3",
    ),
    (
        r#"semver("1.0.0-alpha.1").isLessThan(semver("1.0.0-alpha.beta")) && semver("1.0.0-rc").isLessThan(semver("1.0.0"))"#,
        "true for 8",
    ),
    (
        r#"url("https://u:p@example.com:80/a%20b?x=1&x=2#f").getHost() == "example.com:80""#,
        "true for 8",
    ),
    (
        r#"url("https://[::1]:8080/a%2Fb").getHostname() == "::1" && url("https://[::1]:8080/a%2Fb").getEscapedPath() == "/a%2Fb""#,
        "true for 10",
    ),
    (
        r#"url("https://example.com/?k=1&k=2&l=%41").getQuery() == {"k": ["1", "2"], "l": ["A"]}"#,
        "true for 6",
    ),
    (
        r#"isURL("../x") || url("mailto:a@b").getScheme() != "mailto""#,
        "false for 4",
    ),
    (
        r#"url("http://a b/").getHost() == """#,
        "invalidArgument at 3",
    ),
    (
        r#"ip("192.168.0.1").family() == 4 && ip("::1").isLoopback() && !isIP("::ffff:1.2.3.4") && !isIP("fe80::1%eth0")"#,
        "true for 12",
    ),
    (
        r#"ip.isCanonical("2001:DB8::1") || ip("ff02::1").isLinkLocalMulticast()"#,
        "true for 5",
    ),
    (
        r#"cidr("10.0.0.0/8").containsIP("10.1.2.3") && cidr("10.0.0.0/8").containsCIDR(cidr("10.1.0.0/16"))"#,
        "true for 9",
    ),
    (
        r#"cidr("10.1.2.3/16").masked() == cidr("10.1.0.0/16") && cidr("10.1.2.3/16").ip() == ip("10.1.2.3")"#,
        "true for 11",
    ),
    (
        r#"cidr("10.0.0.0/33").prefixLength() == 1"#,
        "invalidArgument at 4",
    ),
    (
        r#"format.dns1123Label().validate("Bad_").value().size() == 1 && !format.named("nope").hasValue()"#,
        "true for 15",
    ),
    (
        r#"format.uuid().validate("123e4567-e89b-12d3-a456-426614174000").hasValue() || format.byte().validate("aGVsbG8=").hasValue()"#,
        "false for 97",
    ),
    (
        r#"format.datetime().validate("2021-01-01T00:00:00Z") == optional.none() && format.date().validate("2021-02-30").hasValue()"#,
        "true for 95",
    ),
    (
        r#"format.qualifiedName().validate("a/b/c").value()[0].startsWith("a valid label key")"#,
        "true for 21",
    ),
    (
        r#"[1, 2, 3].sum() == 6 && [1, 2, 3].max() == 3 && ["b", "a"].isSorted() == false && [1, 1].lastIndexOf(1) == 1"#,
        "true for 12",
    ),
    ("[].max() == 1", "invalidArgument at 1"),
    (
        "[1, 2, 3, 4].slice(1, 3) == [2, 3] && [[1], [2, 3]].flatten() == [1, 2, 3] && [1, 1, 2].distinct() == [1, 2]",
        "true for 58",
    ),
    (
        "[3, 1, 2].sort() == [1, 2, 3] && [1, 2].reverse() == [2, 1] && lists.range(3) == [0, 1, 2]",
        "true for 59",
    ),
    ("[1].slice(0, 2) == []", "invalidArgument at 12"),
    (
        "sets.contains([1, 2], [1]) && sets.equivalent([1, 2], [2, 1, 1]) && !sets.intersects([1], [2])",
        "true for 19",
    ),
    (
        "[1, 2].first().value() == 1 && ![].last().hasValue() && [optional.of(1), optional.none()].unwrapOpt() == [1]",
        "true for 20",
    ),
    (
        r#"optional.ofNonZeroValue("").hasValue() || optional.of(1).or(optional.of(1 / 0)).value() == 1"#,
        "true for 5",
    ),
    (
        r#"[dyn(1), ?optional.none()].size() == 1 && {?"a": optional.of(1)} == {"a": 1}"#,
        "true for 45",
    ),
    ("optional.none().value() == 1", "invalidArgument at 3"),
    (r#"dyn(1).lowerAscii() == """#, "type at 1"),
    (
        r#"dyn([1, 2]).sortBy(x, int(device.attributes["gpu.example.com"].model)) == []"#,
        "other at 37",
    ),
    (
        r#"device.attributes["gpu.example.com"].version in ["1.2.3"]"#,
        "other at 4",
    ),
    (
        r#"device.attributes["gpu.example.com"].tags[dyn(0)] == "fast""#,
        "true for 6",
    ),
];
