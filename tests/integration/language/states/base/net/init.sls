include: [.links, ..forms, .gone]
