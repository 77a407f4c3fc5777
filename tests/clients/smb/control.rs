//! Samba as the control: the same mistakes of the same client get the same statuses, over SMB1 and SMB2.

use std::cell::RefCell;

use super::{CONFIG, RULES, impacket};
use crate::genuine::{Genuine, both_with};

/// Each line names what was done and how it ended; `C$` is a disk on both.
const MISTAKES: &str = r"
def tell(name, work):
    try: work(); status = 0
    except SessionError as error: status = error.getErrorCode()
    print(name, hex(status))
for dialect in (SMB_DIALECT, None):
    for name, password in (('alice', 'wrong'), ('bob', 'Secret12')):
        tell('login ' + name, lambda: connect(dialect).login(name, password))
    c = connect(dialect); c.login('alice', 'Secret12')
    for share in ('NOPE', 'NOPE' + 'A' * 200): tell('tree ' + share[:5], lambda: c.connectTree(share))
    t = c.connectTree('C$')
    new = lambda path, disposition, options: c.closeFile(t, c.createFile(t, path, creationDisposition=disposition, creationOption=options, desiredAccess=0x13019f))
    for path, disposition, options in (('gone', 1, 0), ('gone\\a', 1, 0), ('a*b', 2, 0), ('a|b', 2, 0), ('a\x01', 2, 0), ('new', 9, 0), ('d', 2, 1),
            ('d', 2, 1), ('d', 1, 0x40), ('new', 1, 0x41), ('d\\f', 2, 0), ('d\\f', 2, 0), ('d\\f', 1, 1), ('d\\f\\g', 1, 0), ('g', 2, 0)):
        tell('create %r %d %x' % (path, disposition, options), lambda: new(path, disposition, options))
    tell('rmdir full', lambda: c.deleteDirectory('C$', 'd'))
    tell('rmdir none', lambda: c.deleteDirectory('C$', 'gone'))
    tell('rmdir file', lambda: c.deleteDirectory('C$', 'g'))
    tell('delete none', lambda: c.deleteFile('C$', 'gone'))
    tell('delete directory', lambda: c.deleteFile('C$', 'd'))
    tell('rename none', lambda: c.rename('C$', 'gone', 'other'))
    tell('rename', lambda: c.rename('C$', 'g', 'h'))
    tell('list none', lambda: c.listPath('C$', 'gone*'))
    tell('list nowhere', lambda: c.listPath('C$', 'gone\\*'))
    print([f.get_longname() for f in c.listPath('C$', 'd\\*')], c.listPath('C$', 'h')[0].get_filesize())
    f = c.openFile(t, 'h')
    tell('read nothing', lambda: c.readFile(t, f, 0, 10, singleCall=True))
    c.closeFile(t, f)
    tell('closed', lambda: c.closeFile(t, f))
    tell('read closed', lambda: c.readFile(t, f, 0, 10))
    # Over SMB2, impacket asks for the other to be replaced.
    tell('rename onto', lambda: c.rename('C$', 'h', 'd\\f'))
    for path in ('d\\f', 'h'): tell('delete', lambda: c.deleteFile('C$', path))
    tell('rmdir', lambda: c.deleteDirectory('C$', 'd'))
    tell('tree left', lambda: (c.disconnectTree(t), c.disconnectTree(t)))
";

#[test]
fn mistakes_end_as_they_do_at_samba() {
    let told = RefCell::new(Vec::new());
    both_with((RULES, CONFIG), Genuine::samba, |lab| {
        told.borrow_mut().push(impacket(lab, MISTAKES));
    });
    let told = told.into_inner();
    let lines = |at: usize| told[at].lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(1), lines(0), "ours, and Samba's");
    assert!(lines(0).len() > 70, "{}", told[0]);
}
