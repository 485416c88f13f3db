# SPDX-License-Identifier: Apache-2.0
"""Tests which lines of a page readme_commands treats as commands."""

import unittest

from readme_commands import commands, next_lines, python_blocks

PAGE = """Text `$ not this`.

```console
$ ./one a \\
    b
output
$ ./two
```

<!-- not run: needs a cluster -->
```sh
$ ./three
```

```yaml
$ not this
```

```python
import a
print(a)
```
"""


class Readme(unittest.TestCase):
    def test_commands_are_found_in_order_and_joined(self):
        self.assertEqual(commands(PAGE), [("./one a b", None), ("./two", None), ("./three", "needs a cluster")])

    def test_python_blocks_are_found(self):
        self.assertEqual(python_blocks(PAGE), ["import a\nprint(a)\n"])

    def test_lines_below_next_are_commands(self):
        self.assertEqual(next_lines("a\nNext\n  ./x y\n  ./z\n\n  other\n"), ["./x y", "./z"])


if __name__ == "__main__":
    unittest.main()
