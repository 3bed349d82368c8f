"""Write tests/golden/npy/*: arrays and archives as NumPy saves them, for tests/format/test_npy.c and
test_npz.c, which hold the same values. Run with any NumPy >= 1.23; the files do not depend on it."""
import io
import pathlib
import zipfile

import numpy as np
from numpy.lib import format as npy

folder = pathlib.Path(__file__).parent / 'npy'
folder.mkdir(exist_ok=True)


def save(name, array, version=None, pickle=False):
    with open(folder / f'{name}.npy', 'wb') as file:
        npy.write_array(file, array, version, allow_pickle=pickle)


# Every number type, with the values at its borders.
halves = [0, -0.0, 1, -1.5, 65504, 2.0**-24, 2.0**-14, 0.333251953125, np.inf, -np.inf, np.nan]
save('f2', np.array(halves, '<f2'))
save('f2_big', np.array(halves, '>f2'))
save('f4', np.array([[0, 1.5, -2], [3.4028235e38, 1e-45, np.inf]], '<f4'))
save('f4_big', np.array([[0, 1.5, -2], [3.4028235e38, 1e-45, np.inf]], '>f4'))
save('f8', np.array([0.1, -1e300, 5e-324, np.nan], '<f8'))
save('f8_big', np.array([0.1, -1e300, 5e-324, np.nan], '>f8'))
for kind in 'iu':
    for size in (1, 2, 4, 8):
        borders = np.iinfo(f'{kind}{size}')
        top = min(borders.max, 2**63 - 1)
        for order, suffix in (('<', ''), ('>', '_big')):
            if size > 1 or not suffix:
                save(f'{kind}{size}{suffix}', np.array([borders.min, 1, 77, top], f'{order}{kind}{size}'))
save('u8_large', np.array([1, 2**63], '<u8'))
save('b1', np.array([True, False, True]))

# Shapes, orders and versions.
save('scalar', np.array(2.5, '<f8'))
save('empty', np.zeros((0, 3), '<f4'))
save('six', np.arange(720, dtype='<i4').reshape(1, 2, 3, 4, 5, 6))
save('fortran', np.asfortranarray(np.arange(24, dtype='<i4').reshape(2, 3, 4)))
save('fortran_big', np.asfortranarray(np.arange(24, dtype='>i2').reshape(2, 3, 4)))
save('version2', np.arange(3, dtype='<i8'), (2, 0))
save('version3', np.arange(3, dtype='<i8'), (3, 0))
save('long_header', np.zeros((0, 1000, 1000, 1000, 1000, 1000), '<f4'))
save('seven', np.zeros((1,) * 7, '<f4'))

# Text.
words = ['', 'a', 'ş', '€uro', '𝄞x', 'nothing']
save('text', np.array(words, '<U7'))
save('text_big', np.array(words, '>U7'))
save('text_fortran', np.asfortranarray(np.array(words, '<U7').reshape(2, 3)))
save('bytes', np.array([w.encode() for w in words], 'S7'))
save('bytes_latin1', np.array([b'ok', b'caf\xe9'], 'S4'))
save('text_nul', np.array(['a\0b', 'c'], '<U3'))
save('bytes_nul', np.array([b'ok', b'a\0b'], 'S3'))
save('text_wide', np.array(['a', '€€€', '𝄞𝄞'], '<U3'))
save('text_surrogate', np.array(['ok', '\ud800'], '<U2'))
save('text_empty', np.array([], '<U5'))
save('text_one', np.array(['', ''], '<U1'))

# What must be refused.
save('object', np.array([1, 'a', None], object), pickle=True)
save('fields', np.array([(1, 2.0)], [('a', '<i4'), ('b', '<f8')]))
save('complex', np.array([1j], '<c16'))
save('date', np.array(['2020-01-01'], '<M8[D]'))
save('void', np.array([b'ab'], 'V2'))

# Archives.
arrays = {
    'X': np.arange(12, dtype='<f4').reshape(4, 3) / 8,
    'y': np.array(['one', 'two', 'ş', 'one']),
    'ids': np.arange(4, dtype='<i8'),
    'order': np.asfortranarray(np.arange(6, dtype='>f8').reshape(2, 3)),
}


def archive(name, method, members):
    """Like numpy.savez, with a fixed time."""
    with zipfile.ZipFile(folder / f'{name}.npz', 'w', method) as zip_file:
        for member, data in members.items():
            if isinstance(data, np.ndarray):
                buffer = io.BytesIO()
                npy.write_array(buffer, data, allow_pickle=False)
                data = buffer.getvalue()
            info = zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0))
            info.compress_type = method
            with zip_file.open(info, 'w', force_zip64=True) as out:
                out.write(data)


members = {name + '.npy': array for name, array in arrays.items()}
archive('stored', zipfile.ZIP_STORED, members)
archive('deflated', zipfile.ZIP_DEFLATED, members)
archive('lzma', zipfile.ZIP_LZMA, members)
archive('others', zipfile.ZIP_DEFLATED, {'README': b'no array', 'a.npy': arrays['ids'], 'bad.npy': b'\x93NUMPX'})
archive('zeros', zipfile.ZIP_DEFLATED, {'z.npy': np.zeros(1 << 20, '<f4')})
