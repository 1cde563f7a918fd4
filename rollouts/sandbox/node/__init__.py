"""A node that runs pods: kubelet-like towards the API, processes or plays towards the machine.

A pod whose annotation names a program gets that program as a real process on an address of its own; its readiness and
liveness probes are really sent. Every other pod is played: nothing runs, and its status follows a course that its
annotations choose. Pods say what they want with annotations of the domain `sandbox.rollouts.io/`; durations are
seconds (`3`, `0.5`) or carry a unit (`500ms`, `3s`, `2m`):

| annotation    | value               | meaning                                                         | default |
| ------------- | ------------------- | --------------------------------------------------------------- | ------- |
| `program`     | `app`               | run it for the first container, with that container's args, env | play    |
| `ready-after` | duration or `never` | played: ready so long after the start                           | `0`     |
| `run-for`     | duration or `ever`  | played: the containers end by themselves after that             | below   |
| `exit-code`   | 0..255              | played: the code with which they end by themselves              | `0`     |
| `stop-takes`  | duration or `ever`  | played: from SIGTERM to the end, within the grace period        | `0`     |
| `image`       | `missing`           | the image cannot be pulled, the pod stays Pending               | present |
| `schedule`    | `never`             | no node takes the pod                                           | at once |

Without `run-for` a played pod runs for ever when its restart policy is Always, and ends at once when it is not (a Job's
pod). `run-for` with a non-zero `exit-code` and the policy Always is a crash loop, with a kubelet's back-off.

Programs come from an allow list (`program.PROGRAMS`): a pod can choose one and its arguments, never what is executed.
A container's `command` is ignored. Only a sleeping or HTTP `preStop` hook is carried out. Volumes, limits, init
containers and security contexts are accepted and mean nothing here.
"""
