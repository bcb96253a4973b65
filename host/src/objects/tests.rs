use super::*;

#[test]
fn scratch() {
    for file in std::env::var("FILES").unwrap().split_whitespace() {
        let text = std::fs::read_to_string(file).unwrap();
        let read = read(file.rsplit('/').next().unwrap(), &text);
        let (cluster, dup) = Cluster::from_objects(read.objects.clone());
        for o in &read.objects {
            println!(
                "READ {}:{} {}",
                o.source.document,
                o.source.line,
                o.object.kind()
            );
        }
        for p in read.problems.iter().chain(&dup) {
            println!("{p}");
        }
        for p in cross_check(&cluster, &read.problems) {
            println!("{p}");
        }
        let w = workloads::workloads(&cluster);
        for p in &w.pods {
            println!("POD {:?} {:?}", p.pod.metadata.name, p.claims);
        }
        let objs: Vec<Object> = w
            .claims
            .iter()
            .map(|c| Object::ResourceClaim(c.object.clone()))
            .collect();
        println!("{}", write::yaml(&objs));
        let again = super::read("x.yaml", &write::yaml(&objs));
        assert_eq!(again.problems, []);
        assert_eq!(
            again
                .objects
                .into_iter()
                .map(|o| o.object)
                .collect::<Vec<_>>(),
            objs
        );
        let again = super::read("x.json", &write::json(&objs));
        assert_eq!(again.problems, []);
        assert_eq!(
            again
                .objects
                .into_iter()
                .map(|o| o.object)
                .collect::<Vec<_>>(),
            objs
        );
    }
}
