"""In which language a caption is written, as far as short texts and tags tell: by letters, small words and nouns."""

from __future__ import annotations

import re
import unicodedata

FOREIGN = 0.5  # share of letters of another script
TAGS = 2  # words for what is seen before a caption of tags is of another language, and half of all its words
# words that another language cannot do without; two of them, and none of English
_ENGLISH = frozenset(re.findall(r"\w+", "a an the of in on at with and is are wearing from by to his her"))
_LANGUAGES = {
    "German": "der die das ein eine einen einem mit und auf ist im vor einer trägt neben von",
    "French": "le la les un une des avec et dans est sur du devant porte au",
    "Spanish": "el la los las un una con y en es sobre del lleva frente al",
    "Italian": "il lo la gli un una con e di nel sulla è davanti indossa",
    "Portuguese": "o os um uma com e na é da em frente ao pelo",
    "Dutch": "de het een met en op is van voor draagt naast",
}
# one of these is enough where nothing is English: no English word is written so
_SURE_WORDS = "ein eine einem einen und auf une avec dans una nel sulla della uma het een och på bir için jest się"
_SURE = frozenset(re.findall(r"\w+", _SURE_WORDS))
_SMALL_ENGLISH = frozenset(["die", "met", "van"])  # die-cast toys, a van; with nothing else these tell nothing
_LETTERS = re.compile("[ğışłęąńśżźřěůőűțșđ\u1ea0-\u1ef9]")  # Turkish, Polish, Czech, Vietnamese ...
# what stands between commas in place of sentences
_SEEN = {
    "German": "frau mann mädchen junge kleid rotes rote roter rotem blaues blaue blauer grünes grüne weißes weiße"
    " weißer weiß schwarzes schwarze schwarzer schwarz gelbes gelbe gelb grau braune grüner haare haar augen gesicht"
    " lächelnd lächelt lächeln sitzt sitzend steht stehend liegend draußen drinnen sonne meer wasser himmel wald baum"
    " bäume wiese haus straße garten berge schnee küche zimmer wohnzimmer bett stuhl tisch hund katze katzen brille"
    " hemd hose jacke mantel schuhe hinten vorne vorn nahaufnahme ganzkörper hintergrund kurze lange lockige locken"
    " bart ohrringe blumen lachend kopf mütze pullover stadt spielzeug rucksack porträt"
    " regen nacht herbst winterlich sommer frühling fahrrad regenschirm tasche handtasche rock bluse schal"
    " handschuhe schwester mutter vater kind kinder tanzend spielend läuft rennt isst trinkt liest abend morgen"
    " nebel wolken strand see fluss brücke boden fenster tür markt bahnhof gitarre buch blick licht schatten"
    " nass allein nah seitlich schaut",
    "French": "femme homme fille garçon enfant rouge bleu bleue vert verte noire blanc blanche jaune cheveux yeux"
    " visage souriante souriant sourire assise assis dehors soleil mer eau ciel forêt arbre arbres maison rue jardin"
    " montagne neige chambre cuisine lit chaise chien lunettes chemise pantalon veste manteau chaussures dos fond longs"
    " courts barbe fleurs tête chapeau ville herbe extérieur intérieur jouet bouche"
    " pluie nuit hiver automne été printemps parapluie marché vélo sac écharpe gants soir matin brouillard"
    " nuages lac rivière pont sol fenêtre porte gare livre guitare lumière ombre mouillé mouillée debout"
    " marchant courant dansant lisant regardant seul seule près gros chat jupe sourit plage montre neigeux",
    "Spanish": "mujer hombre chica chico niña niño vestido rojo roja azul negro negra blanco blanca amarillo pelo"
    " cabello ojos cara sonriendo sonriente sonrisa sentada sentado playa cielo bosque árbol árboles casa calle"
    " jardín montaña nieve habitación cocina silla perro gato gafas camisa pantalones chaqueta abrigo zapatos espalda"
    " fondo largo corto rubia rubio barba flores cabeza sombrero ciudad hierba exterior juguete lentes"
    " lluvia noche invierno otoño verano primavera paraguas mercado bicicleta bolso bufanda guantes tarde"
    " mañana niebla nubes lago río puente suelo ventana puerta estación libro guitarra luz sombra mojado mojada"
    " corriendo bailando leyendo mirando sola cerca primer camiseta falda sonríe sol perfil pie joven",
    "Italian": "donna uomo ragazza ragazzo bambina vestito rosso rossa blu azzurro nera bianco bianca giallo capelli"
    " occhi viso sorridente sorriso seduta seduto spiaggia sole mare acqua cielo foresta bosco albero alberi"
    " giardino montagna neve cucina letto sedia cane gatto occhiali camicia pantaloni giacca cappotto scarpe sfondo"
    " lunghi corti bionda biondi fiori cappello città erba aperto giocattolo"
    " pioggia notte inverno autunno estate primavera ombrello mercato bicicletta borsa sciarpa guanti sera"
    " mattina nebbia nuvole lago fiume ponte pavimento finestra stazione libro chitarra luce ombra bagnato"
    " camminando correndo ballando leggendo guardando sola vicino maglietta gonna sorride profilo piedi strada",
    "Portuguese": "mulher homem menina menino vestido vermelho vermelha azul preto preta branco branca amarelo cabelo"
    " cabelos olhos rosto sorrindo sorriso sentada sentado praia céu floresta árvore árvores rua jardim montanha neve"
    " quarto cozinha cadeira cachorro gato óculos camisa calça jaqueta casaco sapatos costas fundo longo curto loira"
    " flores cabeça chapéu cidade grama brinquedo"
    " chuva noite inverno outono verão primavera guarda-chuva mercado bicicleta bolsa cachecol luvas tarde"
    " manhã nuvens lago ponte chão janela estação livro violão luz sombra molhado correndo dançando lendo"
    " olhando sozinha perto camiseta saia sorri sol perfil",
    "Dutch": "vrouw meisje jongen jurk rode blauwe groene zwarte witte gele haren ogen gezicht lachend glimlachend"
    " zittend staand buiten binnen zon zee hemel bos boom bomen huis straat tuin bergen sneeuw keuken kamer stoel"
    " hond bril overhemd broek jas schoenen achtergrond krullen baard bloemen hoofd hoed stad gras speelgoed"
    " regen nacht winter herfst zomer lente paraplu markt fiets sjaal handschoenen avond ochtend mist wolken"
    " meer rivier brug vloer raam deur boek gitaar licht schaduw lopend rennend dansend lezend kijkend alleen"
    " dichtbij rok lacht strand kind",
    "Polish": "kobieta mężczyzna dziewczyna chłopak sukienka czerwona czerwony niebieska niebieski zielona zielony"
    " czarna czarny biała włosy oczy twarz uśmiech siedzi plaża morze niebo las drzewo drzewa dom ulica ogród góry"
    " śnieg pokój kuchnia krzesło pies kot okulary koszula spodnie kurtka buty tło",
    "Swedish": "kvinna flicka pojke klänning röd rött blå grön svart gul hår ögon ansikte leende sitter utomhus hav"
    " himmel skog träd hus gata trädgård snö kök stol hund katt glasögon skjorta byxor jacka skor bakgrund",
}
# among those: what English writes so too; with nothing but these it may be English
_ALSO = "bart bed boom cane casa chaise chapeau courts die dos exterior fille fond largo las letto lit mare pies rosa"
_MORE = (
    " rote rouge rue sole sombrero stol van visage rock see winter mist pond strand gross sac pont estate"
    " sera sola nass pie mercado primavera luce kind chat sol lago rok lent mer courant licht"
)
_ALSO_ENGLISH = frozenset(re.findall(r"\w+", _ALSO + _MORE))
# German makes one word of several: the last says what it is
_HEADS = (
    "jacke|hose|mantel|hemd|schuhe?|mütze|tasche|brille|kleid|haare?|augen|wald|garten|straße|baum|bäume|zimmer|schirm"
    "|untergang|aufgang|himmel|wiese|licht|blumen?|wasser|spielplatz|bahnhof|aufnahme"
)
_COMPOUND = re.compile(rf"[a-zäöüß]{{2,}}(?:{_HEADS})")
_WORDS_SEEN = {name: frozenset(words.split()) for name, words in _SEEN.items()}
# names of places that begin with an article, and what has dots or slashes in it: an address
_NAMES = re.compile(
    r"(?i)\b(?:l[ao]s (?:angeles|vegas|palmas|cruces|alamos|cabos)|la (?:jolla|paz|rochelle|la land|spezia|rambla)"
    r"|el (?:paso|capitan|salvador|greco|dorado|niño)|le (?:mans|havre|corbusier|creuset)|(?:rio|playa|plaza|paseo)"
    r" (?:de|del|la|el|los|las)(?: \w+)?)\b|\S+[./:@]\S+"
)


def other_language(caption: str, own: frozenset[str]) -> str:
    """The language of a caption that is not English, or what shows it; empty for English and where it is not told.

    `own` words, in small letters, are names: the trigger's and the class word's. A single word tells nothing.
    """
    letters = [char for char in caption if char.isalpha()]
    others = [char for char in letters if not unicodedata.name(char, "LATIN").startswith(("LATIN", "FULLWIDTH LATIN"))]
    if len(others) > FOREIGN * len(letters):
        return unicodedata.name(others[0], "").split()[0].title() + " letters"
    written = re.findall(r"\w+", _NAMES.sub(" ", caption))
    words = {one.lower() for one in written} - own
    if words & (_ENGLISH - {"a", "in", "is", "on"}):
        return ""
    no_names = {one for one in written if one[0].islower()} - own
    return _by_small_words(words, set(_LETTERS.findall(" ".join(no_names)))) or _by_what_is_seen(words)


def _by_small_words(words: set[str], letters: set[str]) -> str:
    counts = {name: len(words & set(its.split()) - _SMALL_ENGLISH) for name, its in _LANGUAGES.items()}
    best = max(counts, key=counts.__getitem__)
    if counts[best] >= 2 and counts[best] > len(words & _ENGLISH):
        return best
    if sure := (words & _SURE or letters):
        return best if counts[best] else min(sure)
    return ""


def _by_what_is_seen(words: set[str]) -> str:
    told = {name: words & (seen | set(_LANGUAGES.get(name, "").split())) for name, seen in _WORDS_SEEN.items()}
    told["German"] |= (made := {one for one in words if _COMPOUND.fullmatch(one)})
    best = max(told, key=lambda name: len(told[name]))
    plain = [one for one in words if not one.isdigit()]
    enough = len(told[best]) >= max(TAGS, len(plain) / 2) and told[best] & (_WORDS_SEEN[best] | made) - _ALSO_ENGLISH
    return best if enough else ""
