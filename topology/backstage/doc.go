// Package backstage learns services, their owners and what they depend on from
// Backstage's catalogue files (catalog-info.yaml).
//
// # What becomes what
//
//   - A Component is a service: type website is a frontend, worker, job and the like are
//     workers. Libraries and documentation run nowhere and are left out.
//   - A Resource is a service of the kind that its type says: database, cache, queue,
//     cluster; others are plain services.
//   - An API is not a service but a promise: who consumes it depends on the components
//     that provide it. One that no file says who provides is a service of kind api.
//   - spec.dependsOn and spec.dependencyOf are hard dependencies.
//   - spec.owner is the owner, without "group:default/". spec.system and spec.lifecycle
//     are the labels system and lifecycle, metadata.labels come along; the label tier is
//     the tier.
//   - metadata.links are links, and so is every annotation that is a web address; a link
//     of type runbook, or with runbook in its title, is the runbook.
//   - The annotation backstage.io/kubernetes-namespace is the namespace,
//     backstage.io/kubernetes-id another name. The catalogue's namespace "default" is none.
//
// # Promises
//
// Other kinds and keys do not matter here. A document that is no entity, or has a form
// that Backstage would not take where it is read, is an error with file and line. A
// reference to what no file has is a warning, and becomes a service where its kind is
// one. The result does not depend on the order of files or documents, but for two
// entities of one name: the first counts, with a warning.
package backstage
